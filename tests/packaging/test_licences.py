"""What the wheel makes somebody install may be used as freely as the wheel itself."""

from __future__ import annotations

import json
import subprocess

# Read from each distribution: its expression, else its classifiers, else its own words.
READ = """
import json
from importlib.metadata import distributions

def told(data):
    classifiers = [c for c in data.get_all("Classifier") or [] if c.startswith("License ::")]
    words = (data["License"] or "").splitlines()[:1]
    return data["License-Expression"] or " AND ".join(classifiers or words)

print(json.dumps({d.metadata["Name"]: told(d.metadata) for d in distributions()}))
"""

# Permissive ones: they ask for their text beside a copy, and we ship no copy.
FREE = (
    *("MIT", "MIT License", "MIT-0", "ISC", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "Unlicense"),
    *("Apache-2.0", "PSF-2.0", "Python-2.0", "CNRI-Python", "Zlib"),
    *("License :: OSI Approved :: MIT License", "License :: OSI Approved :: BSD License"),
    "License :: OSI Approved :: Apache Software License",
    "License :: OSI Approved :: Python Software Foundation License",
    # Copyleft of single files: it reaches who changes these files, and we change none.
    *("MPL-2.0", "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)"),
)


def parts(expression):
    """Return the licences of an expression; of a choice, each has to be free as well."""
    flat = expression.replace("(MPL 2.0)", "[MPL 2.0]").strip("()").replace(" OR ", " AND ")
    return {part.strip("() ").replace("[MPL 2.0]", "(MPL 2.0)") for part in flat.split(" AND ")}


def test_the_parts_of_an_expression_are_told_apart():
    assert parts("MIT AND (Apache-2.0 OR BSD-2-Clause)") == {"MIT", "Apache-2.0", "BSD-2-Clause"}
    assert parts("License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)") <= {*FREE}


def test_every_dependency_of_the_wheel_and_its_extras_is_free(outside):
    # torch is left out: whoever asks for that extra has chosen torch already.
    done = subprocess.run([str(outside), "-c", READ], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert "pytest" in {name.lower() for name in found}
    assert {name: told for name, told in found.items() if not parts(told) <= {*FREE}} == {}
