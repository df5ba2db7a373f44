"""One default export and one whole company, written once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.salesforce_export import write_salesforce_export
from demo.sample_company import write_sample_company


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "salesforce"
    write_salesforce_export(folder)
    return folder


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("company")
    write_sample_company(folder)
    return folder
