# SPDX-License-Identifier: Apache-2.0
"""What tests of the whole need: namespaces, a broker in them, clients, machines."""
