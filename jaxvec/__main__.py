"""`python -m jaxvec`."""

import sys

from jaxvec.cli import main

sys.exit(main())
