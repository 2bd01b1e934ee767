"""How the local service reads a template: the same names and values that CloudFormation would fill in."""

from pathlib import Path

import pytest

from local.event_bus import input_of
from local.processes import REPOSITORY
from local.stack import functions_of, routes_of
from local.template import Template, TemplateError

TEMPLATE = """
Parameters:
  Colour: {Type: String, Default: red}
  Names: {Type: CommaDelimitedList, Default: ''}
Conditions:
  IsRed: !Equals [!Ref Colour, red]
  HasNames: !Not [!Equals [!Join ['', !Ref Names], '']]
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      Text: !Sub '${Table.Arn} ${AWS::Region} ${!kept} ${Colour}'
      Chosen: !If [IsRed, 1, 2]
      Absent: !If [HasNames, 1, !Ref AWS::NoValue]
      Joined: !Join ['-', [a, !Select [1, !Split [',', 'b,c']]]]
  OnlyWithNames:
    Type: AWS::S3::Bucket
    Condition: HasNames
"""


def template(tmp_path: Path, **parameters: str) -> Template:
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE)
    return Template(path, "stack", parameters)


def test_intrinsic_functions_are_filled_in(tmp_path):
    (table,) = template(tmp_path).resources("AWS::DynamoDB::Table")
    assert table.name == "stack-Table"
    assert table.properties == {
        "Text": "arn:aws:dynamodb:us-east-1:123456789012:table/stack-Table us-east-1 ${kept} red",
        "Chosen": 1,
        "Joined": "a-c",
    }


def test_conditions_decide_what_exists(tmp_path):
    assert template(tmp_path).resources("AWS::S3::Bucket") == ()
    (bucket,) = template(tmp_path, Names="x,y").resources("AWS::S3::Bucket")
    assert bucket.name == "stack-onlywithnames-123456789012"
    (table,) = template(tmp_path, Names="x,y", Colour="blue").resources("AWS::DynamoDB::Table")
    assert (table.properties["Chosen"], table.properties["Absent"]) == (2, 1)


def test_an_unknown_parameter_or_name_is_refused(tmp_path):
    with pytest.raises(TemplateError, match="no parameter Colr"):
        template(tmp_path, Colr="blue")
    with pytest.raises(TemplateError, match="names Nothing"):
        template(tmp_path).resolve({"Ref": "Nothing"})
    with pytest.raises(TemplateError, match="Fn::ImportValue"):
        template(tmp_path).resolve({"Fn::ImportValue": "x"})


def test_every_function_of_the_real_template_can_be_run():
    real = Template(REPOSITORY / "template.yaml", "smart-erase", {})
    functions = functions_of(real)
    names = {function.name for function in functions}
    assert {route.function_name for route in routes_of(real)} <= names
    for function in functions:
        module, _, _ = function.handler.partition(".")
        assert (function.folder / f"{module}.py").is_file()
        assert all("${" not in value for value in function.environment.values())


def test_values_of_an_event_go_into_a_rule_s_text():
    target = {
        "InputTransformer": {
            "InputPathsMap": {"job": "$.detail.name", "status": "$.detail.status"},
            "InputTemplate": '{"job_id": <job>, "error": "Execution.<status>"}',
        }
    }
    event = {"detail": {"name": "a-b", "status": "ABORTED"}}
    assert input_of(target, event) == '{"job_id": "a-b", "error": "Execution.ABORTED"}'
