# SPDX-License-Identifier: Apache-2.0
"""What calls of vmnet and requests to the broker return, as the headers have it."""

# vmnet.h
VMNET_SUCCESS = 1000
FAILURE = 1001
MEM_FAILURE = 1002
STATUSES = range(1001, 1011)

# vmnet-broker.h
SUCCESS = 0
XPC_FAILURE = 1
INVALID_REPLY = 2
NOT_ALLOWED = 3
INVALID_REQUEST = 4
NOT_FOUND = 5
CREATE_FAILURE = 6
INTERNAL_ERROR = 7
