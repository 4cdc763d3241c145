"""`python -m sandbox` is `make run`."""

from __future__ import annotations

import sys

from sandbox.run import main

sys.exit(main())
