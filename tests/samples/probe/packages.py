"""What setuptools' pkg_resources finds of a package, as JSON."""

import json
import sys
import warnings

warnings.simplefilter("ignore")
before = ["pkg_resources" in sys.modules, "setuptools" in sys.modules, "_distutils_hack" in sys.modules]

import distutils.core  # noqa: E402

import pkg_resources  # noqa: E402

json.dump(
    {
        "before": before,
        "distutils": "setuptools" in distutils.core.__file__,
        "version": pkg_resources.get_distribution("probe-inside").version,
        "requirement": str(pkg_resources.require("probe-inside")[0]),
        "text": pkg_resources.resource_string("inside", "data.txt").decode(),
        "exists": [pkg_resources.resource_exists("inside", name) for name in ("data.txt", "none.txt")],
        "listed": "data.txt" in pkg_resources.resource_listdir("inside", ""),
        "entry points": [item.load()() for item in pkg_resources.iter_entry_points("probe.plugins")],
        "version order": pkg_resources.parse_version("1.10") > pkg_resources.parse_version("1.9"),
    },
    sys.stdout,
)
