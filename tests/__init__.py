"""The tests; README.md in this folder says what each tier proves."""

import pytest

pytest.register_assert_rewrite("tests.support")  # so that a helper's assert shows its values too
