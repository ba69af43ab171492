from . import paths as paths
from .configs import Config as Config
from .files import alone as alone
from .files import whole_folder as whole_folder
from .fingerprints import (
    code_fingerprint as code_fingerprint,
)
from .fingerprints import (
    data_checksum as data_checksum,
)
from .fingerprints import (
    fingerprint as fingerprint,
)
from .fingerprints import (
    versions as versions,
)
from .languages import is_tag as is_tag
from .languages import language_name as language_name
from .languages import language_tag as language_tag
from .processes import JobError as JobError
from .processes import run_all as run_all
from .seeding import (
    generator as generator,
)
from .seeding import (
    seed_everything as seed_everything,
)
from .seeding import (
    stable_fraction as stable_fraction,
)
from .seeding import (
    stable_hash as stable_hash,
)
from .tables import whole_file as whole_file
