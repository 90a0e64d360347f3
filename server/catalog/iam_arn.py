"""The names of IAM users and roles."""

import re

ARN_LENGTH = 2048
"""AWS's limit for an ARN."""
IAM_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:(?:role|user)/[A-Za-z0-9+=,.@_/-]+")


def is_iam_arn(text: str) -> bool:
    """Whether it names an IAM user or role."""
    return len(text) <= ARN_LENGTH and IAM_ARN.fullmatch(text) is not None
