"""Pairs in a stock trainer: which batches it sees, in which order, after a resume, in each of several processes."""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise

import pyarrow as pa
import pytest
import torch
from accelerate.data_loader import prepare_data_loader, skip_first_batches
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch.utils.data import DataLoader
from transformers import TrainerCallback

from kit.data.corpus import ParallelCorpus
from kit.data.registry import load_corpus
from kit.data.texts import Normaliser
from kit.train.config import EncoderConfig
from kit.train.encoders.making import make_encoder
from kit.train.pairs import pair_batches, pair_dataset
from kit.train.samplers import PairBatchSampler, Sampling

LANGUAGES = ("de", "en", "fr")
SEED = 3


def made_corpus(name="made", n_groups=22, **more):
    """Each text is one letter of its own, Chinese or Korean, so that nothing is known before it is learned."""
    keys = [(group, language) for group in range(n_groups) for language in LANGUAGES]
    rows = [
        {"group_id": f"g{group}", "language": language, "query": chr(0x4E00 + n), "passage": chr(0xAC00 + n), **more}
        for n, (group, language) in enumerate(keys)
    ]
    return ParallelCorpus.from_rows(rows, name)


CORPUS = made_corpus()  # 5 batches of 4 an epoch


def encoder(seed=0):
    texts = [text for part in ("query", "passage") for text in CORPUS.table.column(part).to_pylist() * 2]
    return make_encoder(EncoderConfig(dimension=16, vocabulary_size=300), texts, seed)


def epochs(n_epochs, sampling="Hybrid", batch_size=4, corpora=(CORPUS,)):
    """The batches of the sampler, epoch by epoch."""
    sampler = PairBatchSampler(corpora, Sampling.parse(sampling), batch_size, SEED)
    return [[sampler.batch(epoch, index).pairs() for index in range(len(sampler))] for epoch in range(n_epochs)]


class Recorded(MultipleNegativesRankingLoss):
    """A loss of the library that keeps what it is given: the first token of the query and of the passage of each row."""

    def __init__(self, model):
        super().__init__(model)
        self.seen = []

    def forward(self, sentence_features, labels):
        features = list(sentence_features)
        self.seen.append([features[0]["input_ids"].tolist(), features[1]["input_ids"].tolist()])
        return super().forward(features, labels)


class Stop(TrainerCallback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        control.should_training_stop = state.global_step == self.step


def stock_trainer(folder, model, loss, stop_at=None, **options):
    arguments = SentenceTransformerTrainingArguments(
        **{
            "output_dir": str(folder),
            "batch_sampler": pair_batches("Hybrid"),
            "per_device_train_batch_size": 4,
            "num_train_epochs": 3,
            "learning_rate": 1e-2,
            "seed": SEED,
            "prompts": {"query": model.prompts["query"], "passage": model.prompts["document"]},
            "save_strategy": "steps",
            "save_steps": 7,
            "use_cpu": True,
            "dataloader_pin_memory": False,
            "disable_tqdm": True,
            "report_to": "none",
            **options,
        }
    )
    data = pair_dataset([CORPUS])
    callbacks = [Stop(stop_at)] if stop_at else []
    return SentenceTransformerTrainer(model, arguments, data, loss=loss, callbacks=callbacks)


def tokens(model, batches):
    """What ``Recorded`` keeps of batches that a sampler drew."""
    rows = CORPUS.table.to_pylist()
    texts = [
        ([rows[query]["query"] for query, _ in batch], [rows[passage]["passage"] for _, passage in batch])
        for batch in batches
    ]
    prompts = (model.prompts["query"], model.prompts["document"])
    return [
        [model.preprocess(side, prompt=prompt)["input_ids"].tolist() for side, prompt in zip(sides, prompts)]
        for sides in texts
    ]


class TestStockTrainer:
    def test_it_sees_the_batches_of_each_epoch_with_prompts_and_learns(self, tmp_path, capsys):
        model = encoder()
        loss = Recorded(model)
        trainer = stock_trainer(tmp_path, model, loss, logging_steps=1)
        trainer.train()
        drawn = [batch for epoch in epochs(3) for batch in epoch]
        assert trainer.state.global_step == len(loss.seen) == 15
        assert loss.seen == tokens(model, drawn)
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        assert sum(losses[-5:]) < sum(losses[:5])

    @pytest.mark.parametrize("stop_at", [3, 5, 8])
    def test_a_resumed_run_sees_the_same_batches_and_ends_with_the_same_weights(self, tmp_path, capsys, stop_at):
        """Interrupted in the first epoch, between two, in the second."""
        whole, resumed = encoder(), encoder(seed=9)  # the weights are overwritten
        stock_trainer(tmp_path / "whole", whole, Recorded(whole)).train()
        stopped = encoder()
        stock_trainer(tmp_path / "parts", stopped, Recorded(stopped), stop_at, save_steps=stop_at).train()
        loss = Recorded(resumed)
        stock_trainer(tmp_path / "parts", resumed, loss).train(resume_from_checkpoint=True)
        assert loss.seen == tokens(resumed, [batch for epoch in epochs(3) for batch in epoch][stop_at:])
        for name, value in whole.state_dict().items():
            torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=1e-6)

    def test_a_checkpoint_holds_no_data(self, tmp_path, capsys):
        model = encoder()
        stock_trainer(tmp_path, model, Recorded(model), max_steps=1, save_steps=1).train()
        saved = torch.load(tmp_path / "checkpoint-1" / "training_args.bin", weights_only=False)
        assert saved.batch_sampler.keywords == pair_batches("Hybrid").keywords
        assert (tmp_path / "checkpoint-1" / "training_args.bin").stat().st_size < 20_000

    def test_other_corpora_are_evaluated_with_pairs_of_their_own(self, tmp_path, capsys):
        model = encoder()
        trainer = stock_trainer(tmp_path, model, Recorded(model), per_device_eval_batch_size=8)
        other = pair_dataset([made_corpus("other", n_groups=16)])
        labels = [batch["label"].flatten().tolist() for batch in trainer.get_eval_dataloader(other)]
        assert [len(set(clusters)) for clusters in labels] == [8, 8]
        assert set().union(*labels) == set(range(16))
        assert trainer.evaluate(other)["eval_loss"] > 0

    def test_worker_processes_read_the_rows(self, tmp_path, capsys):
        model = encoder()
        loss = Recorded(model)
        stock_trainer(tmp_path, model, loss, max_steps=2, dataloader_num_workers=1).train()
        assert loss.seen == tokens(model, epochs(1)[0][:2])


def loaders(n_processes, sampling="Hybrid", n_batches=None):
    """What each of several processes gets from accelerate, each with a data set of its own."""
    made = []
    for rank in range(n_processes):
        data = pair_dataset([CORPUS])
        sampler = pair_batches(sampling, n_batches=n_batches)(data, batch_size=4, drop_last=False, seed=SEED)
        loader = DataLoader(
            data, batch_sampler=sampler, collate_fn=lambda rows: [(row["query"], row["passage"]) for row in rows]
        )
        made.append(
            prepare_data_loader(
                loader, num_processes=n_processes, process_index=rank, put_on_device=False, even_batches=False, rng_types=[]
            )
        )
    return made


def texts(batches):
    rows = CORPUS.table.to_pylist()
    return [[(rows[query]["query"], rows[passage]["passage"]) for query, passage in batch] for batch in batches]


class TestSeveralProcesses:
    @pytest.mark.parametrize("n_processes", [1, 2, 3])
    def test_each_gets_whole_batches_in_turn_and_all_equally_many(self, n_processes):
        for rank, loader in enumerate(loaders(n_processes)):
            for epoch, drawn in enumerate(epochs(2)):
                loader.set_epoch(epoch)
                full = len(drawn) // n_processes * n_processes  # of 5 batches, two processes get 2 each
                walked = list(loader)
                assert walked == texts(drawn[:full][rank::n_processes])
                assert len(loader) == len(walked)

    @pytest.mark.parametrize("n_processes", [1, 2])
    def test_the_epoch_reaches_the_batches_of_a_resumed_run(self, n_processes):
        for rank, loader in enumerate(loaders(n_processes)):
            resumed = skip_first_batches(loader, 1)
            resumed.set_epoch(2)
            drawn = epochs(3)[2]
            assert list(resumed) == texts(drawn[: len(drawn) // n_processes * n_processes][rank::n_processes][1:])
            loader.set_epoch(3)
            assert next(iter(loader)) == texts(epochs(4)[3])[rank]


class TestPasses:
    @pytest.mark.parametrize("n_batches", [1, 3, 5, 12])
    def test_passes_of_any_length_walk_through_all_epochs(self, n_batches):
        (loader,) = loaders(1, n_batches=n_batches)
        walked = []
        for epoch in range(-(-15 // n_batches)):
            loader.set_epoch(epoch)
            one = list(loader)
            assert len(one) == len(loader) == n_batches
            walked += one
        assert walked[:15] == texts(batch for epoch in epochs(3) for batch in epoch)

    def test_a_pass_under_way_stays_where_it_is(self):
        data = pair_dataset([CORPUS])
        sampler = pair_batches("X-Y")(data, batch_size=4, seed=SEED)
        walk = iter(sampler)
        first = next(walk)
        data.set_epoch(7)
        assert [first, *walk] == epochs(1, "X-Y")[0]
        assert list(sampler) == epochs(8, "X-Y")[7]

    def test_seed_and_sampling_matter(self):
        walks = [
            list(pair_batches(sampling)(pair_dataset([CORPUS]), batch_size=4, seed=seed))
            for sampling, seed in (("X-Y", 0), ("X-Y", 1), (Sampling.parse("X-X"), 1))
        ]
        assert all(one != other for one, other in pairwise(walks))

    def test_several_corpora_are_mixed_by_tau(self):
        parts = (CORPUS, made_corpus("other", n_groups=8))
        data = pair_dataset(parts)
        walked = list(pair_batches("Hybrid", tau=0.0)(data, batch_size=4, seed=SEED))
        sampler = PairBatchSampler(parts, Sampling.parse("Hybrid"), 4, SEED, tau=0.0)
        assert walked == [sampler.batch(0, index).pairs() for index in range(len(sampler))]
        assert len(walked) == 30 // 4


class TestOtherAnswers:
    """A question that is asked of several passages: each of them answers it, in every row that asks it."""

    ROWS = (
        {"group_id": "a1", "language": "en", "query": "Why?", "passage": "Because."},
        {"group_id": "a2", "language": "en", "query": "why? ", "passage": "Therefore."},
        {"group_id": "a3", "language": "en", "query": "Why?", "passage": "Hence."},
        {"group_id": "b", "language": "en", "query": "When?", "passage": "Now."},
        {"group_id": "c", "language": "en", "query": "Who?", "passage": "Me."},
    )

    @pytest.mark.parametrize(
        ("rows", "labels"),
        [
            ([0, 1, 3], [[0, 1], [1, 0], [3, -1]]),
            ([0, 1, 2, 4], [[0, 1, 2], [1, 0, 2], [2, 0, 1], [4, -1, -1]]),
            ([0, 3, 4], [[0], [3], [4]]),  # those of the batch only
        ],
    )
    def test_stand_after_the_clusters_of_the_texts(self, rows, labels):
        data = pair_dataset([ParallelCorpus.from_rows(list(self.ROWS), "asked twice")])
        for made in (data, pickle.loads(pickle.dumps(data))):
            assert [item["label"] for item in made.__getitems__([(row, row) for row in rows])] == labels

    def test_of_another_corpus_do_not_count(self):
        first, second = (ParallelCorpus.from_rows(list(self.ROWS[half]), "half") for half in (slice(0, 1), slice(1, 4)))
        items = pair_dataset([first, second]).__getitems__([(0, 0), (3, 3)])
        assert [item["label"] for item in items] == [[0], [3]]  # "Why?" of the first corpus, "When?" of the second

    def test_no_passage_that_answers_a_question_of_policyqa_is_a_negative_of_it(self, shared_data):
        corpus = load_corpus(f"squad:{shared_data}/policyqa/dev.json?language=en")
        normalise = Normaliser()
        answered = {(normalise(row["query"]), row["passage"]) for row in corpus.table.to_pylist()}
        data, met = pair_dataset([corpus]), 0
        for batch in PairBatchSampler([corpus], Sampling.parse("X-X"), 50, SEED):
            items = data.__getitems__(batch)
            clusters = [item["label"][0] for item in items]
            for item in items:
                known = {answer for answer in item["label"] if answer >= 0}
                answers = {
                    cluster
                    for cluster, other in zip(clusters, items)
                    if (normalise(item["query"]), other["passage"]) in answered
                }
                met += len(answers) > 1
                assert answers <= known
        assert met > 1000  # else nothing was shown


class TestLarge:
    def test_columns_beyond_2_gib(self):
        """34 chunks that share one buffer of 64 MiB, so that the texts have 2.1 GiB and their table does not."""
        letters = ["".join(chr(97 + number) * 1024) * 4096 for number in range(16)]  # of 4 MiB
        chunk = pa.array(letters)
        passages = pa.chunked_array([chunk] * 34)
        n_rows = len(passages)
        assert passages.nbytes > 2**31
        groups = [str(row // 2) for row in range(n_rows)]
        columns = {
            "group_id": groups,
            "language": ["de", "en"] * (n_rows // 2),
            "query": [f"{row}?" for row in range(n_rows)],
        }
        more = {"cluster_id": groups, "domain": [""] * n_rows, "source": [""] * n_rows, "negatives": [["no"]] * n_rows}
        corpus = ParallelCorpus(pa.table({**columns, "passage": passages, **more}), "large")
        data = pair_dataset([corpus])
        (batch, *_) = PairBatchSampler([corpus], Sampling.parse("X-Y"), 20, SEED)
        items = data.__getitems__([*batch, (0, n_rows - 1)])
        assert [item["passage"] == letters[row % 16] for item, (_, row) in zip(items, batch)] == [True] * 20
        assert items[-1]["passage"] == letters[(n_rows - 1) % 16] and items[-1]["query"] == "0?"
        assert [item["label"][0] for item in items] == [*(row // 2 for _, row in batch), n_rows // 2 - 1]


class TestCopies:
    """Transforms of the library copy a data set, worker processes get it pickled: neither needs the corpora again."""

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda data: pickle.loads(pickle.dumps(data))])
    def test_a_copy_reads_pairs_and_draws_none(self, copied):
        data = copied(pair_dataset([CORPUS]))
        assert data.__getitems__([(0, 1)])[0]["query"] == CORPUS.table.column("query")[0].as_py()
        with pytest.raises(ValueError, match="pairs cannot be drawn from this PairDataset of 66 rows"):
            pair_batches("Hybrid")(data, batch_size=4, seed=0)


class TestFaults:
    def test_another_data_set_is_refused(self):
        some = pair_dataset([CORPUS]).select(range(9))
        with pytest.raises(
            ValueError, match=r"this Dataset of 9 rows: give the trainer what pair_dataset\(corpora\) returns"
        ):
            pair_batches("Hybrid")(some, batch_size=4, seed=0)

    def test_a_wrong_name_is_refused_at_once(self):
        with pytest.raises(ValueError, match="sampling 'Y-X' is not known"):
            pair_batches("Y-X")

    def test_a_pass_without_batches_is_refused(self):
        with pytest.raises(ValueError, match="n_batches 0 is below 1: leave it out"):
            pair_batches("Hybrid", n_batches=0)

    def test_a_batch_that_cannot_be_filled_is_refused(self):
        with pytest.raises(
            ValueError, match="has 22 passage clusters for these batches, fewer than batch_size 23: lower batch_size"
        ):
            pair_batches("X-Y")(pair_dataset([CORPUS]), batch_size=23, seed=0)
