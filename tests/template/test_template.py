"""The template against the code, and against the rules of the house."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import serve_openapi
from adapters.settings import Settings

ROOT = Path(__file__).parents[2]
RATES = (
    '{"erase": 18, "erase_premium": 8, "upscale": 2.5, "upscale_normal": 0.8, "upscale_premium": 0.27,'
    ' "price_per_hour": 1.0, "currency": "USD"}'
)
DATA_TYPES = {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::Logs::LogGroup"}


def functions(resources):
    return {name: body for name, body in resources.items() if body["Type"] == "AWS::Serverless::Function"}


def statements(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "Effect" in value:
            yield value
        for item in value.values():
            yield from statements(item)
    elif isinstance(value, list):
        for item in value:
            yield from statements(item)


def listed(value):
    return value if isinstance(value, list) else [value]


def test_cfn_lint_is_content():
    cfn_lint = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([cfn_lint, ROOT / "template.yaml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_handler_exists(resources):
    for name, body in functions(resources).items():
        module, _, attribute = body["Properties"]["Handler"].partition(".")
        assert (ROOT / "functions" / f"{module}.py").is_file(), name
        assert attribute == "handler"
        assert name == "".join(part.capitalize() for part in module.split("_")) + "Function"


def test_every_handler_module_is_deployed(resources):
    modules = {path.stem for path in (ROOT / "functions").glob("*.py")}
    deployed = {body["Properties"]["Handler"].partition(".")[0] for body in functions(resources).values()}
    assert modules == deployed


def test_every_function_has_a_recorded_event(resources):
    recorded = {path.stem for path in (ROOT / "events").glob("*.json")}
    assert {body["Properties"]["Handler"].partition(".")[0] for body in functions(resources).values()} <= recorded


def test_settings_and_environment_are_the_same(template):
    given = set(template["Globals"]["Function"]["Environment"]["Variables"])
    read = {name.upper() for name in Settings.model_fields}
    assert {name for name in given if not name.startswith("POWERTOOLS_")} == read


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_a_missing_variable_is_an_error_at_once(name):
    complete = dict.fromkeys((field.upper() for field in Settings.model_fields), "x") | {
        "LINK_LIFETIME_SECONDS": "1800",
        "ALLOW_LOOPBACK_CALLBACKS": "false",
        "JOB_QUEUES": "spot,on-demand",
        "BUCKET_GRANTS": "acme:films/acme/,other:films/other/",
        "ESTIMATE_RATES": RATES,
    }
    assert Settings.from_environment(complete)
    with pytest.raises(ValueError, match=name):
        Settings.from_environment({key: value for key, value in complete.items() if key != name.upper()})


def test_routes_are_those_of_the_openapi_document(resources):
    routes = {
        (event["Properties"]["Path"], event["Properties"]["Method"].lower())
        for body in functions(resources).values()
        for event in body["Properties"].get("Events", {}).values()
        if event["Type"] == "HttpApi"
    }
    described = {(path, method) for path, ways in serve_openapi.openapi_document()["paths"].items() for method in ways}
    rpc = {("/", "get"), ("/", "post")}
    assert routes == described | rpc | {("/v1/openapi.json", "get"), ("/v1/{proxy+}", "any")}


def test_every_route_asks_who_calls(resources):
    auth = resources["HttpApi"]["Properties"]["Auth"]
    assert auth["DefaultAuthorizer"] == "BearerAuthorizer"
    for authorizer in auth["Authorizers"].values():
        assert authorizer["FunctionArn"] == {"Fn::GetAtt": "AuthorizeRequestFunction.Arn"}
        # A cached answer would let a revoked key or a used nonce through.
        assert authorizer["Identity"]["ReauthorizeEvery"] == 0
    own = {
        (event["Properties"]["Path"], event["Properties"]["Auth"]["Authorizer"])
        for body in functions(resources).values()
        for event in body["Properties"].get("Events", {}).values()
        if event["Type"] == "HttpApi" and "Auth" in event["Properties"]
    }
    # What is in no other route is a 404 without any data.
    public = {("/v1/openapi.json", "NONE"), ("/v1/{proxy+}", "NONE")}
    assert own == public | {("/", "SignatureAuthorizer")}


def test_every_parameter_is_described_and_bounded(template):
    bounds = {"AllowedPattern", "AllowedValues", "MinValue"}
    for name, parameter in template["Parameters"].items():
        assert parameter["Description"], name
        assert bounds & set(parameter) or parameter["Type"] == "CommaDelimitedList", name


def test_data_is_kept_and_logs_end(resources):
    for name, body in resources.items():
        if body["Type"] in DATA_TYPES:
            assert body["DeletionPolicy"] == body["UpdateReplacePolicy"], name
        if body["Type"] == "AWS::Logs::LogGroup":
            assert "RetentionInDays" in body["Properties"], name
    assert {resources[name]["DeletionPolicy"] for name in ("JobsTable", "MediaBucket")} == {"Retain"}


def test_the_buckets_of_outputs_are_written_by_one_function_and_read_by_links(resources):
    rights = {}
    for name in ("OutputBucketsPolicy", "OutputLinksPolicy"):
        (statement,) = statements(resources[name])
        assert resources[name]["Condition"] == "HasOutputBuckets"
        assert "OutputBuckets" in json.dumps(statement["Resource"])
        for role in resources[name]["Properties"]["Roles"]:
            rights[role["Ref"]] = set(listed(statement["Action"]))
    assert rights == {
        "RecordResultFunctionRole": {"s3:PutObject", "s3:AbortMultipartUpload"},
        "LinkSignerRole": {"s3:GetObject"},
    }


def test_the_bucket_is_closed_and_cleans_up(resources):
    bucket = resources["MediaBucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["NotificationConfiguration"]["EventBridgeConfiguration"]["EventBridgeEnabled"] is True
    rules = {rule.get("Prefix"): rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules["uploads/"]["ExpirationInDays"] == 1
    assert rules["jobs/"]["ExpirationInDays"] == 3
    assert rules["results/"]["ExpirationInDays"] == {"Ref": "ResultLifetimeDays"}
    assert "AbortIncompleteMultipartUpload" in rules[None]


def test_no_statement_allows_every_action(resources):
    for name, body in resources.items():
        for statement in statements(body):
            if statement["Effect"] == "Allow":
                assert not [action for action in listed(statement["Action"]) if "*" in action], name


def test_every_star_is_explained(template_text):
    lines = template_text.splitlines()
    for number, line in enumerate(lines):
        if re.search(r"(Resource|Principal): '\*'", line):
            above = "\n".join(lines[max(0, number - 18) : number])
            assert re.search(r"#.*(\*|hence)", above), f"line {number + 1}: {line}"


def test_only_what_came_from_outside_is_worth_another_attempt(resources):
    rules = resources["WorkerJobDefinition"]["Properties"]["RetryStrategy"]["EvaluateOnExit"]
    assert len(rules) <= 5  # what Batch takes
    assert [rule for rule in rules if rule["Action"] == "RETRY"] == [{"OnExitCode": "137", "Action": "RETRY"}]
    # A lost host comes first: its containers may have ended with 137. The state machine looks for another.
    assert rules.index({"OnStatusReason": "Host EC2*", "Action": "EXIT"}) < rules.index(
        {"OnExitCode": "137", "Action": "RETRY"}
    )
    assert rules[-1] == {"OnReason": "*", "Action": "EXIT"}


def test_work_that_lost_its_machines_goes_where_none_are_taken_away(resources, definition):
    queues = definition["States"]["ProbeSource"]["ResultSelector"]["queues"]
    assert queues == ["${JobQueueArn}"] * 2 + ["${OnDemandJobQueueArn}"] * 2
    (environment,) = resources["OnDemandJobQueue"]["Properties"]["ComputeEnvironmentOrder"]
    assert environment["ComputeEnvironment"] == {"Ref": "OnDemandComputeEnvironment"}
    assert resources["OnDemandComputeEnvironment"]["Properties"]["ComputeResources"]["Type"] == "EC2"


def test_a_key_of_one_s_own_encrypts_the_bucket_and_goes_to_all_who_use_it(resources):
    (rule,) = resources["MediaBucket"]["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    condition, own, without = rule["Fn::If"]
    assert condition == resources["MediaKeyPolicy"]["Condition"] == "HasMediaKey"
    assert own["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Ref": "MediaKeyArn"}}
    assert without["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    use_it = {
        name
        for name, body in resources.items()
        for statement in statements(body)
        if "MediaBucket.Arn" in json.dumps(statement["Resource"] if "Principal" not in statement else "")
        # Listing needs no key, and describing work only lists.
        and set(listed(statement["Action"])) & {"s3:GetObject", "s3:PutObject"}
    }
    given = {role["Ref"].removesuffix("FunctionRole") for role in resources["MediaKeyPolicy"]["Properties"]["Roles"]}
    assert given == {name.removesuffix("Function") for name in use_it}


def test_who_is_told_to_clean_up_may_delete_only_what_jobs_make(resources):
    deleters = {
        name: [str(resource) for resource in listed(statement["Resource"])]
        for name, body in resources.items()
        for statement in statements(body)
        if "s3:DeleteObject" in listed(statement["Action"])
    }
    work = [str({"Fn::Sub": f"${{MediaBucket.Arn}}/{prefix}/*"}) for prefix in ("jobs", "results")]
    assert deleters.pop("ManageIconsFunction") == [str({"Fn::Sub": "${MediaBucket.Arn}/icons/*"})]
    assert deleters == dict.fromkeys(("CancelJobFunction", "CallActionFunction", "RecordFailureFunction"), work)


def test_a_worker_has_a_gpu_and_no_job_waits_for_ever(resources):
    container = resources["WorkerJobDefinition"]["Properties"]["ContainerProperties"]
    assert {"Type": "GPU", "Value": "1"} in container["ResourceRequirements"]
    for body in resources.values():
        if body["Type"] == "AWS::Batch::JobQueue":
            actions = body["Properties"]["JobStateTimeLimitActions"]
            assert {action["State"] for action in actions} == {"RUNNABLE"}
            assert {action["Reason"].partition(":")[0] for action in actions} == {"CAPACITY", "MISCONFIGURATION"}


def test_a_stage_ends_before_the_state_machine_gives_it_up(template, definition):
    longest = template["Parameters"]["StageTimeoutSeconds"]["MaxValue"]
    assert longest < definition["States"]["Detect"]["TimeoutSeconds"]


def test_every_alarm_leads_to_a_section_of_the_runbook(resources):
    sections = set(re.findall(r"^## (.+)$", (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8"), re.MULTILINE))
    alarms = [body["Properties"] for body in resources.values() if body["Type"] == "AWS::CloudWatch::Alarm"]
    assert alarms
    for alarm in alarms:
        (section,) = re.findall(r'docs/runbook\.md, section "(.+)"', alarm["AlarmDescription"])
        assert section in sections


def test_recorded_events_are_plain_json():
    for path in (ROOT / "events").glob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert text == json.dumps(json.loads(text), indent=2) + "\n", path.name
