# SPDX-License-Identifier: Apache-2.0
"""What a "with" closes at its end."""


class Closing:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
