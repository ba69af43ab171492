from .claims import Claim as Claim, Finding as Finding, judge as judge
from .columns import BIAS_COLUMNS as BIAS_COLUMNS, HEADLINE as HEADLINE, Where as Where
from .mining import MiningResults as MiningResults
from .paper import check_claims as check_claims
from .results import Results as Results, table_text as table_text
from .stats import (
    confidence_interval as confidence_interval,
    holm as holm,
    macro_mean as macro_mean,
    paired_randomisation_test as paired_randomisation_test,
)
