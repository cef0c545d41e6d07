"""A dashboard without a browser: its application, and its callbacks called as the page calls them."""

import re
from html import unescape

from planner.dashboard.catalog import build_catalog
from planner.dashboard.plan_jobs import PlanJobs
from planner.dashboard.server import build_app


class Client:
    """The application under test; ``call`` returns what a callback sets, by component and property."""

    def __init__(self):
        self.catalog = build_catalog()
        self.jobs = PlanJobs(self.catalog)
        self.app = build_app(self.catalog, self.jobs, place="http://127.0.0.1:8050/")
        self.http = self.app.server.test_client()
        self.callbacks = self.http.get("/_dash-dependencies").json

    def call(self, sets, changed, **values):
        """Call the callback that sets a property when another changes; values by ``id__property``."""
        found = next(
            one
            for one in self.callbacks
            if sets in (part.partition("@")[0] for part in one["output"].strip(".").split("..."))
            and any(f"{given['id']}.{given['property']}" == changed for given in one["inputs"])
        )
        outputs = [
            {"id": name, "property": key}
            for name, _, key in (part.rpartition(".") for part in found["output"].strip(".").split("..."))
        ]
        done = self.http.post(
            "/_dash-update-component",
            json={
                "output": found["output"],
                "outputs": outputs if found["output"].startswith("..") else outputs[0],
                "inputs": [self._given(one, values) for one in found["inputs"]],
                "state": [self._given(one, values) for one in found["state"]],
                "changedPropIds": [changed],
            },
        )
        assert done.status_code in {200, 204}, done.text
        answer = done.json["response"] if done.status_code == 200 else {}
        return {f"{name}.{key}": value for name, keys in answer.items() for key, value in keys.items()}

    @staticmethod
    def _given(one, values):
        key = f"{one['id']}__{one['property']}".replace("-", "_")
        return {"id": one["id"], "property": one["property"], "value": values.get(key)}


def parts(component, kind=None):
    """A component and all inside it, of one type or of all, as the page gets them."""
    if isinstance(component, list):
        for item in component:
            yield from parts(item, kind)
    elif isinstance(component, dict):
        if kind in {None, component["type"]}:
            yield component
        yield from parts(component["props"].get("children"), kind)


def texts(component):
    """All text inside a component."""
    if isinstance(component, list):
        return " ".join(map(texts, component))
    if isinstance(component, dict):
        plain = re.sub("<[^>]*>", " ", component["props"].get("data-html", ""))
        return unescape(plain) or texts(component["props"].get("children") or "")
    return "" if component is None else str(component)


GPT2 = "model=gpt2&node=dgx-a100&count=1&global_batch=32&"
GPT3 = "model=gpt3-175b&node=dgx-a100&count=128&"


def verdict(client, query):
    """The card of a state."""
    return client.call("verdict.children", "state.data", state__data=query)
