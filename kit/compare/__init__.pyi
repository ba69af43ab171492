from .findings import Finding as Finding
from .findings import judge as judge
from .mining import MiningResults as MiningResults
from .paper import check_claims as check_claims
from .results import Results as Results
from .stats import (
    bootstrap_interval as bootstrap_interval,
)
from .stats import (
    holm as holm,
)
from .stats import (
    macro_mean as macro_mean,
)
from .stats import (
    paired_randomisation_test as paired_randomisation_test,
)
