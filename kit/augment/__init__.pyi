from .filters import (
    LanguageIdentifier as LanguageIdentifier,
)
from .filters import (
    filter_copies as filter_copies,
)
from .filters import (
    filter_language as filter_language,
)
from .filters import (
    filter_length_ratio as filter_length_ratio,
)
from .filters import (
    filter_round_trip as filter_round_trip,
)
from .groups import (
    back_translate as back_translate,
)
from .groups import (
    join as join,
)
from .groups import (
    keep_task as keep_task,
)
from .groups import (
    mix as mix,
)
from .groups import (
    synthetic_groups as synthetic_groups,
)
from .groups import (
    translated_task as translated_task,
)
from .lexicon import Lexicon as Lexicon
from .lexicon import induce_lexicon as induce_lexicon
from .quality import compare as compare
from .quality import load_translators as load_translators
from .switching import code_switch as code_switch
from .translator import CachedTranslator as CachedTranslator
from .translator import Translator as Translator
