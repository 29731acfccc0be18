"""What lm-evaluation-harness makes of a few documents: prompts with and without
solved questions, token pairs, verdicts and standard errors. Writes lm_eval.json,
and the documents as Parquet files into hub/.

    python -m venv venv && venv/bin/pip install lm_eval==0.4.13
    venv/bin/python tests/golden/lm_eval_rules.py

The documents are made up here, with everything that a rule could trip over; the
task files and all code are the harness's own.
"""

import csv
import io
import json
from pathlib import Path

import datasets
import lm_eval
from lm_eval.api.instance import Instance
from lm_eval.api.metrics import mean_stderr
from lm_eval.api.model import TemplateLM
from lm_eval.api.samplers import FirstNSampler
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks._yaml_loader import load_yaml

HERE = Path(__file__).parent
TASKS = Path(lm_eval.__file__).parent / "tasks"

GSM8K = [
    {"question": "Ann has 3 apples and buys 4. How many has she?", "answer": "3+4 = <<3+4=7>>7\n#### 7"},
    {"question": " How much is $1,000 more than {{x}}? ", "answer": "It is $2,000.\n#### 2,000"},
    {"question": "Ça fait combien, 2-5?", "answer": "2-5 = -3.\n#### -3"},
    {"question": "A farm has 12 rows.\nEach row has 6 trees. How many trees?", "answer": "12*6 = 72\n#### 72"},
    {"question": "What is 5% of 240?", "answer": "0.05*240 = 12\n#### 12"},
]
OUTPUTS = [
    " 3+4 = 7\n#### 7", " #### 7.", " #### 7,000", " the answer is 7", " $7", "#### $7", "####7",
    " #### 6\n#### 7", " #### 7\nso 8", "", " seven", " 7.0", " #### 7.00", " #### -7", " ...", " #### 0007",
    " it is 2,000.", " #### 2000", " $2,000.00", " #### 2,000 dollars", " #### 2,000.\n\n", "-3", " 5-3",
    " #### -3", "#### -3.", " 1.5.2", " a\u00a07", " #### ,", " [invalid]", " 1 7", "#### 72\n\n\n",
]

ARC = [
    {"id": "A1", "question": "Which is a mammal?", "choices": ["trout", "whale", "eagle", "newt"], "label": "ABCD", "key": "B"},
    {"id": "A2", "question": "Water boils at what temperature? ", "choices": [" 50 °C", "100 °C", "200 °C"], "label": "123", "key": "2"},
    {"id": "A3", "question": "Is {{this}} a question?", "choices": ["yes", "no", "it is not", "maybe", "perhaps so"], "label": "ABCDE", "key": "E"},
    {"id": "A4", "question": "Two\nlines?", "choices": ["one", "two ", "three", "four"], "label": "ABCD", "key": "A"},
]
MMLU = [
    ["What is 2+2?", "3", "4", "5", "6", "B"],
    [" Which of these is\ntrue? ", "none", " all, of \"them\"", "some", "{{few}}", "D"],
    ["Statement 1| Every ring is a field.\n", "True, True", "False, False", "True, False", "False, True", "B"],
    ["\u3000What?\x1c", "a", "b", "c", "d", "A"],
]
WINOGRANDE = [
    {"qID": "W1", "sentence": "The cup did not fit in the box because the _ was too big.", "option1": "cup", "option2": "box", "answer": "1"},
    {"qID": "W2", "sentence": "Ann thanked Beth, so _  smiled. ", "option1": "Ann", "option2": "Beth", "answer": "2"},
    {"qID": "W3", "sentence": "_ was late, said Zoë.", "option1": "Tim", "option2": "Jo", "answer": "2"},
    {"qID": "W4", "sentence": "He liked the _, not the hat.", "option1": "coat", "option2": "scarf", "answer": "1"},
]


def task(path, docs, first_n=True, **more):
    """The harness's task of that file over our documents, the last two of which are scored."""
    config = load_yaml(TASKS / path)
    config.update(more)
    for unused in ("group", "tag", "task_alias", "group_alias"):
        config.pop(unused, None)
    parts = {"train": docs[:-2], "dev": docs[:-2], "validation": docs[-2:], "test": docs[-2:]}

    class Local(ConfigurableTask):
        def download(self, *args, **kwargs):
            self.dataset = datasets.DatasetDict({name: datasets.Dataset.from_list(part) for name, part in parts.items()})

    made = Local(config=config)
    if first_n:
        made.sampler = FirstNSampler(docs[:-2])
    return made


def prompts(made, docs):
    """Context and continuation of every request, by number of solved questions."""
    result = {}
    for n in (0, 1, 2):
        of_n = []
        for doc in docs[-2:]:
            context = made.fewshot_context(doc, num_fewshot=n)
            requests = made.construct_requests(doc=doc, ctx=context, metadata=("x", 0, 1))
            if isinstance(requests, Instance):
                of_n.append([[requests.args[0], ""]])
            else:
                of_n.append([list(request.args) for request in requests])
        result[str(n)] = of_n
    return result


def drawn():
    """Contexts of four questions with five solved ones, drawn by the harness from forty."""
    docs = [{"question": f"What is {i}+{i}?", "answer": f"#### {2 * i}"} for i in range(42)]
    made = task("gsm8k/gsm8k.yaml", docs, first_n=False)
    made.set_fewshot_seed(seed=1234)
    asked = [{"question": f"What is {i}*2?", "answer": f"#### {2 * i}"} for i in range(4)]
    contexts = [made.fewshot_context(doc, num_fewshot=5) for doc in asked]
    return {"pool": [json.dumps(doc) for doc in docs[:-2]], "asked": [json.dumps(doc) for doc in asked], "contexts": contexts}


def gsm8k():
    made = task("gsm8k/gsm8k.yaml", GSM8K)
    verdicts = []
    for answer in sorted({doc["answer"] for doc in GSM8K}):
        doc = {"question": "q", "answer": answer}
        for output in OUTPUTS:
            verdict = [answer, output]
            for ensemble in made._filters:
                instance = Instance(request_type="generate_until", doc=doc, arguments=("", {}), idx=0)
                instance.resps = [output]
                ensemble.apply([instance])
                filtered = instance.filtered_resps[ensemble.name]
                score = made.process_results(doc, [filtered])
                verdict += [filtered, bool(score["exact_match"])]
            verdicts.append(verdict)
    lines = [json.dumps(doc, ensure_ascii=False) for doc in GSM8K]
    until = made.config.generation_kwargs["until"]
    return {"lines": lines, "prompts": prompts(made, GSM8K), "verdicts": verdicts, "until": until}


def arc():
    docs = [
        {"id": doc["id"], "question": doc["question"], "answerKey": doc["key"],
         "choices": {"text": doc["choices"], "label": list(doc["label"])}} for doc in ARC
    ]
    made = task("arc/arc_challenge.yaml", docs)
    verdicts = []
    for doc in docs:
        n = len(doc["choices"]["text"])
        for shift in range(5):
            scores = [-1.0 - ((7 * i + 3 * shift) % 5) * (1.0 + 0.5 * i) for i in range(n)]
            got = made.process_results(doc, [(score, False) for score in scores])
            verdicts.append([doc["id"], scores, bool(got["acc"]), bool(got["acc_norm"])])
    nested = [
        {"id": doc["id"], "answerKey": doc["key"], "question": {"stem": doc["question"], "choices": [
            {"text": text, "label": label} for text, label in zip(doc["choices"], doc["label"])]}} for doc in ARC
    ]
    return {
        "lines": [json.dumps(doc, ensure_ascii=False) for doc in nested],
        "hub_lines": [json.dumps(doc, ensure_ascii=False) for doc in docs],
        "prompts": prompts(made, docs), "verdicts": verdicts,
    }


def mmlu():
    docs = [{"question": row[0], "subject": "abstract_algebra", "choices": row[1:5], "answer": "ABCD".index(row[5])} for row in MMLU]
    made = task("mmlu/default/mmlu_abstract_algebra.yaml", docs)
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(MMLU)
    return {"table": table.getvalue(), "prompts": prompts(made, docs)}


def winogrande():
    made = task("winogrande/default.yaml", WINOGRANDE)
    lines = [json.dumps(doc, ensure_ascii=False) for doc in WINOGRANDE]
    return {"lines": lines, "prompts": prompts(made, WINOGRANDE)}


class Greedy(TemplateLM):
    """The longest token first, as RWKV's tokenizer takes them, in the mini vocabulary."""

    def __init__(self):
        super().__init__()
        self.ids = {}
        for line in (HERE / "../../assets/vocab/rwkv_vocab_mini.txt").read_text(encoding="utf-8").splitlines():
            number, literal = line[: line.index(" ")], line[line.index(" "):line.rindex(" ")]
            token = eval(literal)
            self.ids[token.encode() if isinstance(token, str) else token] = int(number)
        self.longest = max(map(len, self.ids))

    def tok_encode(self, string, **kwargs):
        data, ids = string.encode(), []
        while data:
            size = next(n for n in range(self.longest, 0, -1) if data[:n] in self.ids)
            ids.append(self.ids[data[:size]])
            data = data[size:]
        return ids

    eot_token_id = 0

    def loglikelihood_rolling(self, requests, **kwargs):
        raise NotImplementedError

    def generate_until(self, requests, **kwargs):
        raise NotImplementedError

    def _loglikelihood_tokens(self, requests, **kwargs):
        raise NotImplementedError


def pairs():
    model = Greedy()
    texts = [
        ("Question: x\nAnswer:", " yes"), ("Answer: ", "yes"), ("Answer:\n\n \t", " yes"), ("the wo", "rld is"),
        ("He went to the\u3000", " sea"), ("a", "b"), ("Answer:", " 50 °C"), ("\x1c end \x1d", "x"), ("12", "34 is"),
    ]
    return [[context, continuation, *model._encode_pair(context, continuation)] for context, continuation in texts]


def errors():
    samples = [[1, 0, 0, 1, 1], [0] * 9 + [1], [1] * 30 + [0] * 12, [1, 1]]
    return [[sum(sample), len(sample), mean_stderr(sample)] for sample in samples]


def hub_files():
    """The same documents as Parquet files, written as the Hugging Face hub writes them."""
    string, words = datasets.Value("string"), datasets.Sequence(datasets.Value("string"))
    choices = datasets.Sequence({"text": string, "label": string})
    letters = datasets.ClassLabel(names=["A", "B", "C", "D"])
    arc_docs = [
        {"id": doc["id"], "question": doc["question"], "choices": {"text": doc["choices"], "label": list(doc["label"])},
         "answerKey": doc["key"]} for doc in ARC
    ]
    mmlu_docs = [{"question": row[0], "subject": "abstract_algebra", "choices": row[1:5], "answer": "ABCD".index(row[5])} for row in MMLU]
    blanks = [{name: doc[name] for name in ("sentence", "option1", "option2", "answer")} for doc in WINOGRANDE]
    sets = {
        "gsm8k": (GSM8K, {"question": string, "answer": string}),
        "arc": (arc_docs, {"id": string, "question": string, "choices": choices, "answerKey": string}),
        "mmlu": (mmlu_docs, {"question": string, "subject": string, "choices": words, "answer": letters}),
        "winogrande": (blanks, {"sentence": string, "option1": string, "option2": string, "answer": string}),
    }
    (HERE / "hub").mkdir(exist_ok=True)
    for name, (docs, features) in sets.items():
        made = datasets.Dataset.from_list(docs, features=datasets.Features(features))
        made.to_parquet(str(HERE / "hub" / f"{name}.parquet"))


hub_files()
golden = {
    "made_with": f"lm_eval {lm_eval.__version__}",
    "gsm8k": gsm8k(), "arc": arc(), "mmlu": mmlu(), "winogrande": winogrande(), "drawn": drawn(), "pairs": pairs(), "standard_errors": errors(),
}
(HERE / "lm_eval.json").write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")
