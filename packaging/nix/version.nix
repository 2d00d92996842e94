# SPDX-License-Identifier: Apache-2.0
# Where everything has it from.
builtins.head (builtins.match ".*\n  version: '([0-9.]+)',.*" (builtins.readFile ../../meson.build))
