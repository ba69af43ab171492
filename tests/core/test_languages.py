"""Language tags: which codes share one, what an option finds, and that every tag is one the rest of the kit takes."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import langcodes
import pytest
from babel import Locale
from langcodes.data_dicts import LANGUAGE_REPLACEMENTS

from kit.core.languages import chosen_tags, is_tag, language_name, language_tag, question_and_passage_tags, tag_of_each
from kit.data.bitext import BitextTask
from kit.data.corpus import ParallelCorpus, RetrievalTask

FLORES_200 = """
ace_Arab ace_Latn acm_Arab acq_Arab aeb_Arab afr_Latn ajp_Arab aka_Latn als_Latn amh_Ethi apc_Arab arb_Arab arb_Latn
ars_Arab ary_Arab arz_Arab asm_Beng ast_Latn awa_Deva ayr_Latn azb_Arab azj_Latn bak_Cyrl bam_Latn ban_Latn bel_Cyrl
bem_Latn ben_Beng bho_Deva bjn_Arab bjn_Latn bod_Tibt bos_Latn bug_Latn bul_Cyrl cat_Latn ceb_Latn ces_Latn cjk_Latn
ckb_Arab crh_Latn cym_Latn dan_Latn deu_Latn dik_Latn dyu_Latn dzo_Tibt ell_Grek eng_Latn epo_Latn est_Latn eus_Latn
ewe_Latn fao_Latn fij_Latn fin_Latn fon_Latn fra_Latn fur_Latn fuv_Latn gaz_Latn gla_Latn gle_Latn glg_Latn grn_Latn
guj_Gujr hat_Latn hau_Latn heb_Hebr hin_Deva hne_Deva hrv_Latn hun_Latn hye_Armn ibo_Latn ilo_Latn ind_Latn isl_Latn
ita_Latn jav_Latn jpn_Jpan kab_Latn kac_Latn kam_Latn kan_Knda kas_Arab kas_Deva kat_Geor kaz_Cyrl kbp_Latn kea_Latn
khk_Cyrl khm_Khmr kik_Latn kin_Latn kir_Cyrl kmb_Latn kmr_Latn knc_Arab knc_Latn kon_Latn kor_Hang lao_Laoo lij_Latn
lim_Latn lin_Latn lit_Latn lmo_Latn ltg_Latn ltz_Latn lua_Latn lug_Latn luo_Latn lus_Latn lvs_Latn mag_Deva mai_Deva
mal_Mlym mar_Deva min_Arab min_Latn mkd_Cyrl mlt_Latn mni_Beng mos_Latn mri_Latn mya_Mymr nld_Latn nno_Latn nob_Latn
npi_Deva nso_Latn nus_Latn nya_Latn oci_Latn ory_Orya pag_Latn pan_Guru pap_Latn pbt_Arab pes_Arab plt_Latn pol_Latn
por_Latn prs_Arab quy_Latn ron_Latn run_Latn rus_Cyrl sag_Latn san_Deva sat_Olck scn_Latn shn_Mymr sin_Sinh slk_Latn
slv_Latn smo_Latn sna_Latn snd_Arab som_Latn sot_Latn spa_Latn srd_Latn srp_Cyrl ssw_Latn sun_Latn swe_Latn swh_Latn
szl_Latn tam_Taml taq_Latn taq_Tfng tat_Cyrl tel_Telu tgk_Cyrl tgl_Latn tha_Thai tir_Ethi tpi_Latn tsn_Latn tso_Latn
tuk_Latn tum_Latn tur_Latn twi_Latn tzm_Tfng uig_Arab ukr_Cyrl umb_Latn urd_Arab uzn_Latn vec_Latn vie_Latn war_Latn
wol_Latn xho_Latn ydd_Hebr yor_Latn yue_Hant zho_Hans zho_Hant zsm_Latn zul_Latn
""".split()

# What Belebele has beside them, and NTREX-128 with the regions of its files.
BELEBELE = [*FLORES_200, *"ben_Latn hin_Latn npi_Latn sin_Latn urd_Latn".split()]
NTREX_128 = """
afr_Latn amh_Ethi arb_Arab aze_Latn bak_Cyrl bel_Cyrl bem_Latn ben_Beng bod_Tibt bos_Latn bul_Cyrl cat_Latn ces_Latn
ckb_Arab cym_Latn dan_Latn deu_Latn div_Thaa dzo_Tibt ell_Grek eng_Latn eus_Latn ewe_Latn fao_Latn fas_Arab fij_Latn
fil_Latn fin_Latn fra_Latn fuc_Latn gle_Latn glg_Latn guj_Gujr hau_Latn heb_Hebr hin_Deva hmn_Latn hrv_Latn hun_Latn
hye_Armn ibo_Latn ind_Latn isl_Latn ita_Latn jpn_Jpan kan_Knda kat_Geor kaz_Cyrl khm_Khmr kin_Latn kir_Cyrl kmr_Latn
kor_Hang lao_Laoo lav_Latn lit_Latn ltz_Latn mal_Mlym mar_Deva mey_Arab mkd_Cyrl mlg_Latn mlt_Latn mon_Mong mri_Latn
msa_Latn mya_Mymr nde_Latn nep_Deva nld_Latn nno_Latn nob_Latn nso_Latn nya_Latn orm_Ethi pan_Guru pol_Latn por_Latn
prs_Arab pus_Arab ron_Latn rus_Cyrl shi_Arab sin_Sinh slk_Latn slv_Latn smo_Latn sna_Latn snd_Arab som_Latn spa_Latn
sqi_Latn srp_Cyrl srp_Latn ssw_Latn swa_Latn swe_Latn tah_Latn tam_Taml tat_Cyrl tel_Telu tgk_Cyrl tha_Thai tir_Ethi
ton_Latn tsn_Latn tuk_Latn tur_Latn uig_Arab ukr_Cyrl urd_Arab uzb_Latn ven_Latn vie_Latn wol_Latn xho_Latn yor_Latn
yue_Hant zho_Hans zho_Hant zul_Latn
eng_GB eng_IN eng_US fra_CA por_BR por_PT spa_MX
""".split()

TATOEBA = """
afr amh ang ara arq arz ast awa aze bel ben ber bos bre bul cat cbk ceb ces cha cmn cor csb cym dan deu dsb dtp ell epo
est eus fao fin fra fry gla gle glg gsw heb hin hrv hsb hun hye ido ile ina ind isl ita jav jpn kab kat kaz khm kor kur
kzj lat lfn lit lvs mal mar max mhr mkd mon nds nld nno nob nov oci orv pam pes pms pol por ron rus slk slv spa sqi srp
swe swg swh tam tat tel tgl tha tuk tur tzl uig ukr urd uzb vie war wuu xho yid yue zsm
""".split()

# Macrolanguage and the member that CLDR writes as it, and what people have renamed, in ISO 639-3.
ONE_LANGUAGE = """
als=sqi arb=ara ayr=aym azj=aze cmn=zho cwd=cre drh=khk=mon ekk=est esk=ipk fuc=ful gaz=orm gug=grn ike=iku khk=mon kmr=kur
knc=kau kng=kon kpv=kom lvs=lav npi=nep ojg=oji ory=ori pbu=pus pes=fas plt=mlg quz=que src=srd swh=swa uzn=uzb ydd=yid
zsm=msa zyb=zha tgl=fil
""".split()


def known_codes() -> list[str]:
    """Codes of two and three letters: the subtags that IANA registers and the ISO 639 codes that CLDR knows."""
    registry = (Path(langcodes.__file__).parent / "data" / "language-subtag-registry.txt").read_text(encoding="utf-8")
    records = [record for record in registry.split("%%") if "Type: language" in record]
    codes = {code for record in records for code in re.findall(r"^Subtag: ([a-z]{2,3})$", record, re.MULTILINE)}
    return sorted(codes | {code for code in LANGUAGE_REPLACEMENTS if re.fullmatch("[a-z]{3}", code)})


def codes_by_tag(codes) -> dict[str, set[str]]:
    found = defaultdict(set)
    for code in codes:
        found[language_tag(code)].add(code)
    return found


class TestTwoCodesOneTag:
    @pytest.mark.parametrize(
        "codes", [FLORES_200, BELEBELE, NTREX_128, TATOEBA], ids=["flores", "belebele", "ntrex", "tatoeba"]
    )
    def test_no_two_of_a_data_set(self, codes):
        bare = {code.partition("_")[0] for code in codes}
        for names in (codes, bare):
            assert {tag: same for tag, same in codes_by_tag(names).items() if len(same) > 1} == {}

    def test_in_iso_639_3_only_names_of_one_language(self):
        retired = "adp mol scc scr".split()  # merged into dzo, ron, srp, hrv
        bibliographic = "alb arm baq bur chi cze dut fre geo ger gre ice mac mao may per rum slo tib wel".split()
        codes = [code for code in known_codes() if len(code) == 3 and code not in (*retired, *bibliographic)]
        shared = [same for same in codes_by_tag(codes).values() if len(same) > 1]
        expected = codes_by_tag([])
        for names in ONE_LANGUAGE:
            expected[names.split("=")[-1]] |= set(names.split("="))
        assert sorted(map(sorted, shared)) == sorted(map(sorted, expected.values()))

    @pytest.mark.parametrize(
        ("code", "tag"),
        [
            *(("fas", "fa"), ("prs", "prs"), ("prs_Arab", "prs-Arab"), ("Dari", "prs"), ("pes", "fa")),
            *(
                ("twi", "tw"),
                ("tw", "tw"),
                ("aka", "ak"),
                ("fat", "fat"),
                ("sh", "sh"),
                ("hbs", "hbs"),
                ("srp_Latn", "sr-Latn"),
            ),
            *(("tl", "fil"), ("tgl", "fil"), ("Tagalog", "fil"), ("Filipino", "fil"), ("kzj", "kzj"), ("ger", "de")),
        ],
    )
    def test_tag(self, code, tag):
        assert language_tag(code) == tag

    def test_names(self):
        assert (language_name("prs"), language_name("tw")) == ("Dari", "Twi")


class TestEveryTag:
    CODES = (*known_codes(), *FLORES_200, *NTREX_128, *Locale("en").languages.values())

    def test_is_its_own_tag_and_one_of_the_kit(self):
        tags = {language_tag(code) for code in self.CODES}
        assert {tag for tag in tags if language_tag(tag) != tag or not is_tag(tag)} == set()

    def test_is_taken_by_corpora_and_tasks(self):
        tags = sorted({language_tag(code) for code in self.CODES})
        rows = [{"group_id": "1", "language": tag, "query": f"q {tag}", "passage": f"p {tag}"} for tag in tags]
        corpus = ParallelCorpus.from_rows(rows, "mine")
        assert corpus.languages == tuple(tags)
        queries = [{"query_id": tag, "language": tag, "text": "q"} for tag in tags]
        candidates = [{"candidate_id": tag, "language": tag, "text": "c"} for tag in tags]
        relevance = [{"query_id": tag, "candidate_id": tag} for tag in tags]
        assert RetrievalTask.from_rows("mine", queries, candidates, relevance).languages == tuple(tags)

    def test_is_taken_by_tasks_of_mining(self):
        sentences = [{"sentence_id": "1", "text": "Ja"}]
        for tag in ("prs", "fil", "zh-Hans", "sr-Latn"):
            made = BitextTask.from_rows("mine", tag, "en", sentences, sentences, [{"source_id": "1", "target_id": "1"}])
            assert made.source_language == tag


class TestTagOfEach:
    def test_distinct_codes_keep_their_tags(self):
        assert tag_of_each(["eng", "fas", "prs"], "here") == {"eng": "en", "fas": "fa", "prs": "prs"}

    @pytest.mark.parametrize(("first", "second", "tag"), [("de", "deu", "de"), ("fas", "pes", "fa"), ("fil", "tgl", "fil")])
    def test_two_codes_of_one_language_are_named_with_their_place(self, first, second, tag):
        with pytest.raises(ValueError, match=f"^a, line 3: '{first}' and '{second}' are both language '{tag}': keep one"):
            tag_of_each([first, "en", second], "a, line 3")

    def test_what_is_no_language_is_named_with_its_place(self):
        with pytest.raises(ValueError, match=r"^a, line 3: language 'Klingonese' is not a language tag"):
            tag_of_each(["de", "Klingonese"], "a, line 3")


class TestChosenTags:
    KNOWN = ("de", "fil", "pt-BR", "sw", "tw", "zh-Hans", "zh-Hant")

    @pytest.mark.parametrize(
        ("language", "tag"),
        [
            *(("de", "de"), ("deu", "de"), ("German", "de"), ("ger", "de"), ("swh", "sw"), ("swahili", "sw")),
            *(("tl", "fil"), ("Tagalog", "fil"), ("tw", "tw"), ("twi", "tw"), ("zho_Hant", "zh-Hant")),
            *(("pt", "pt-BR"), ("Portuguese", "pt-BR"), ("pt_BR", "pt-BR")),
        ],
    )
    def test_any_name_of_a_language_finds_it(self, language, tag):
        assert chosen_tags([language], self.KNOWN, "here") == [tag]

    def test_the_order_is_that_of_the_option_and_each_stands_once(self):
        assert chosen_tags(["swh", "deu", "de"], self.KNOWN, "here") == ["sw", "de"]

    def test_none_are_all(self):
        assert chosen_tags(None, {"sw", "de"}, "here") == ["de", "sw"]

    @pytest.mark.parametrize("language", ["zh", "pt-PT", "prs", "Klingonese"])
    def test_what_is_absent_or_one_of_several_is_refused(self, language):
        with pytest.raises(ValueError, match=f"^here: no language '{language}': choose from de, fil, pt-BR"):
            chosen_tags(["de", language], self.KNOWN, "here")

    def test_no_language_and_a_text_are_refused(self):
        with pytest.raises(ValueError, match="here: no language is wanted: choose from de"):
            chosen_tags([], ["de"], "here")
        with pytest.raises(ValueError, match="here: languages 'de' is a text: give a list"):
            chosen_tags("de", ["de"], "here")


def test_question_and_passage_tags():
    assert question_and_passage_tags("deu", "Spanish") == ("es", "de")
    assert question_and_passage_tags("deu", None) == ("de", "de")
    with pytest.raises(ValueError, match="language 'Klingonese' is not a language tag"):
        question_and_passage_tags("de", "Klingonese")
