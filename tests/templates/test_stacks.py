"""References, conditions and nested stacks are followed as CloudFormation follows them."""

import unittest
from typing import Any, Dict

from stacks import Stack

CHILD: Dict[str, Any] = {
    "Parameters": {"Names": {"Type": "CommaDelimitedList"}, "Size": {"Type": "String", "AllowedValues": ["S", "L"]}},
    "Conditions": {"Large": {"Fn::Equals": [{"Ref": "Size"}, "L"]}},
    "Resources": {
        "Topic": {"Type": "AWS::SNS::Topic", "Condition": "Large"},
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Select": [1, {"Ref": "Names"}]}}},
    },
    "Outputs": {"Queue": {"Value": {"Fn::GetAtt": ["Queue", "Arn"]}}},
}


def nested(properties: Dict[str, Any], **more: Any) -> Stack:
    child = {
        "Type": "AWS::CloudFormation::Stack",
        "Properties": {"TemplateURL": "child.yaml", "Parameters": properties},
    }
    template = {"Resources": {"Child": child, **more.pop("Resources", {})}, **more}
    return Stack("chat", template, {}, {"child.yaml": CHILD}, "root.yaml")


def alone(value: Any, **more: Any) -> Any:
    stack = Stack("chat", {"Resources": {}, "Outputs": {"Out": {"Value": value}}, **more}, {}, {}, "root.yaml")
    return stack.outputs.get("Out", stack.problems)


class Stacks(unittest.TestCase):
    def test_text_is_put_together(self) -> None:
        self.assertEqual(alone({"Fn::Sub": ["${A}-${AWS::Region}-${!B}", {"A": "x"}]}), "x-eu-central-1-${B}")
        self.assertEqual(alone({"Fn::Join": [",", ["a", {"Fn::Select": [1, {"Fn::Split": ["/", "b/c"]}]}]]}), "a,c")

    def test_mappings_are_looked_up_and_what_is_missing_is_told(self) -> None:
        value = {"Fn::FindInMap": ["Sizes", "Small", "Memory"]}
        self.assertEqual(alone(value, Mappings={"Sizes": {"Small": {"Memory": 128}}}), 128)
        self.assertIn("Sizes has no Small.Memory", alone(value, Mappings={"Sizes": {"Small": {}}})[0])

    def test_no_value_leaves_nothing_behind(self) -> None:
        nothing = {"Ref": "AWS::NoValue"}
        self.assertEqual(alone({"A": nothing, "B": [nothing, 1]}), {"B": [1]})

    def test_networks_are_cut_up(self) -> None:
        self.assertEqual(alone({"Fn::Cidr": ["10.0.0.0/16", 2, 8]}), ["10.0.0.0/24", "10.0.1.0/24"])

    def test_parameters_go_down_and_outputs_come_up(self) -> None:
        get = {"Fn::GetAtt": ["Child", "Outputs.Queue"]}
        stack = nested({"Names": "a,b", "Size": "S"}, Outputs={"Queue": {"Value": get}})
        self.assertEqual(stack.outputs["Queue"], "arn:aws:sqs:eu-central-1:123456789012:b")
        self.assertEqual([problem for one in stack.stacks() for problem in one.problems], [])

    def test_parameters_that_do_not_fit_are_told(self) -> None:
        stack = nested({"Size": "M", "Other": "x"})
        problems = "\n".join(problem for one in stack.stacks() for problem in one.problems)
        self.assertIn("parameter Other is given, but there is none", problems)
        self.assertIn("parameter Names has neither", problems)
        self.assertIn("parameter Size may not be 'M'", problems)

    def test_outputs_that_are_not_there_are_told(self) -> None:
        stack = nested({"Names": "a,b", "Size": "S"}, Outputs={"Q": {"Value": {"Fn::GetAtt": "Child.Outputs.Quee"}}})
        self.assertIn("Child.Outputs.Quee, which does not exist", stack.problems[0])

    def test_a_reference_to_what_is_not_made_under_its_condition_is_told(self) -> None:
        child = {**CHILD, "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}}}
        for size, made in (("L", True), ("S", False)):
            stack = Stack("chat", child, {"Names": "a,b", "Size": size}, {}, "child.yaml")
            self.assertEqual("Topic" in stack.outputs, made)
            self.assertEqual(not stack.problems, made)

    def test_what_a_resource_needs_is_known(self) -> None:
        uses = {"Type": "AWS::SNS::Topic", "DependsOn": "Other", "Properties": {"TopicName": {"Fn::Sub": "${Child}"}}}
        stack = nested({"Names": "a,b", "Size": "S"}, Resources={"Uses": uses, "Other": {"Type": "AWS::SNS::Topic"}})
        self.assertEqual(stack.references["Uses"], {"Child", "Other"})


if __name__ == "__main__":
    unittest.main()
