from . import paths as paths
from .configs import Config as Config
from .files import alone as alone, whole_file as whole_file, whole_folder as whole_folder
from .fingerprints import (
    code_fingerprint as code_fingerprint,
    data_checksum as data_checksum,
    fingerprint as fingerprint,
    versions as versions,
)
from .languages import is_tag as is_tag, language_name as language_name, language_tag as language_tag
from .printing import say as say
from .processes import JobError as JobError, run_all as run_all
from .seeding import (
    generator as generator,
    seed_everything as seed_everything,
    stable_fraction as stable_fraction,
    stable_hash as stable_hash,
)
