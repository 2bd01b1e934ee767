"""What is changed of a template that SAM has built, before it is run here."""

from local.containers.sam import patient

BUILT = """\
Globals:
  Function:
    Timeout: 15
Resources:
  Fetch:
    Properties:
      Timeout: 900
  Queue:
    Properties:
      VisibilityTimeout: 180
  Definition:
    Properties:
      Timeout:
        AttemptDurationSeconds: 300
"""


def test_only_functions_with_little_time_get_more():
    assert patient(BUILT) == BUILT.replace("Timeout: 15", "Timeout: 120")
