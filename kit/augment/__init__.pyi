from .filters import (
    LanguageIdentifier as LanguageIdentifier,
    filter_language as filter_language,
    filter_length_ratio as filter_length_ratio,
    filter_round_trip as filter_round_trip,
)
from .groups import (
    back_translate as back_translate,
    join as join,
    keep_task as keep_task,
    mix as mix,
    synthetic_groups as synthetic_groups,
    translated_task as translated_task,
)
from .lexicon import Lexicon as Lexicon, induce_lexicon as induce_lexicon
from .quality import compare as compare, load_translators as load_translators
from .switching import code_switch as code_switch
from .translating import translate_corpus as translate_corpus
from .translator import CachedTranslator as CachedTranslator, Translator as Translator
