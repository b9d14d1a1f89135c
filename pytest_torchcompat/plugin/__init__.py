"""The pytest plugin; its name for ``-p no:`` is torchcompat."""

from pytest_torchcompat.plugin.fixtures import (
    _torchcompat_subject as _torchcompat_subject,
)
from pytest_torchcompat.plugin.fixtures import (
    torchcompat_checkpoint as torchcompat_checkpoint,
)
from pytest_torchcompat.plugin.fixtures import torchcompat_forward as torchcompat_forward
from pytest_torchcompat.plugin.fixtures import torchcompat_load as torchcompat_load
from pytest_torchcompat.plugin.fixtures import torchcompat_model as torchcompat_model
from pytest_torchcompat.plugin.fixtures import torchcompat_policy as torchcompat_policy
from pytest_torchcompat.plugin.hooks import pytest_addhooks as pytest_addhooks
from pytest_torchcompat.plugin.hooks import pytest_addoption as pytest_addoption
from pytest_torchcompat.plugin.hooks import pytest_configure as pytest_configure
from pytest_torchcompat.plugin.hooks import pytest_generate_tests as pytest_generate_tests
from pytest_torchcompat.plugin.hooks import (
    pytest_make_collect_report as pytest_make_collect_report,
)
from pytest_torchcompat.plugin.hooks import pytest_report_header as pytest_report_header
from pytest_torchcompat.plugin.hooks import (
    pytest_runtest_makereport as pytest_runtest_makereport,
)
from pytest_torchcompat.plugin.hooks import (
    pytest_runtest_protocol as pytest_runtest_protocol,
)
from pytest_torchcompat.plugin.hooks import pytest_runtest_setup as pytest_runtest_setup
from pytest_torchcompat.plugin.hooks import pytest_testnodedown as pytest_testnodedown
