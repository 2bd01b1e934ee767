"""Seals secrets with the stack's KMS key, so that tables hold only ciphertext."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_kms.client import KMSClient


class SecretBox:
    """Encrypts and decrypts short secrets. ``key_id`` is an ID, an ARN or an alias of a KMS key."""

    def __init__(self, client: KMSClient, key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    def seal(self, secret: str, context: Mapping[str, str]) -> str:
        """Return the ciphertext of a secret, base64; it opens only with the same ``context``."""
        answer = self._client.encrypt(KeyId=self._key_id, Plaintext=secret.encode(), EncryptionContext=context)
        return base64.b64encode(answer["CiphertextBlob"]).decode()

    def open(self, sealed: str, context: Mapping[str, str]) -> str:
        """Return the secret that ``seal`` was given.

        Raises:
            botocore.exceptions.ClientError: the context is another, or the ciphertext was changed.
        """
        answer = self._client.decrypt(
            KeyId=self._key_id, CiphertextBlob=base64.b64decode(sealed), EncryptionContext=context
        )
        return answer["Plaintext"].decode()
