"""Takes the protection from deletion off a stack's databases: `unprotect.py STACK REGION`, by a Python that has boto3.

At the databases themselves, because a stack that was never made completely cannot be updated, only deleted.
"""

import sys

import boto3


def main(stack: str, region: str) -> None:
    rds = boto3.client("rds", region_name=region)
    for kind, identifier in databases(boto3.client("cloudformation", region_name=region), stack):
        print(f"    {identifier}", flush=True)
        if kind == "AWS::RDS::DBCluster":
            rds.modify_db_cluster(DBClusterIdentifier=identifier, DeletionProtection=False, ApplyImmediately=True)
        else:
            rds.modify_db_instance(DBInstanceIdentifier=identifier, DeletionProtection=False, ApplyImmediately=True)


def databases(cloudformation, stack: str):
    """Those of the stack and of the stacks in it; an instance of a cluster is protected by the cluster."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    found = []
    for resource in resources:
        kind, identifier = resource["ResourceType"], resource.get("PhysicalResourceId")
        if not identifier or resource["ResourceStatus"] == "DELETE_COMPLETE":
            continue
        if kind == "AWS::CloudFormation::Stack":
            found += databases(cloudformation, identifier)
        elif kind in ("AWS::RDS::DBCluster", "AWS::RDS::DBInstance"):
            found.append((kind, identifier))
    clusters = any(kind == "AWS::RDS::DBCluster" for kind, _ in found)
    return [pair for pair in found if not clusters or pair[0] == "AWS::RDS::DBCluster"]


if __name__ == "__main__":
    main(*sys.argv[1:])
