"""`/metrics` as the parsers of the Prometheus project read it, and what is written for Prometheus and Grafana: every expression is
PromQL, the rules are YAML of their form, and the dashboard is one that Grafana's own types take. With promtool, which Debian's package
`prometheus` has, rules and metrics are checked by Prometheus itself."""

import json
import os
import shutil
import subprocess
import unittest
from urllib.request import Request, urlopen

import promql_parser
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as grafana
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from server import REPOSITORY, Server

RULES = REPOSITORY / "docs/prometheus/credence.rules.yml"
DASHBOARD = REPOSITORY / "docs/grafana/credence.json"
# What Grafana puts in before it asks.
VARIABLES = {"$__rate_interval": "1m", "$instance": ".*", "$job": ".*"}


def expressions(part):
    """The expressions in a dashboard, wherever they stand."""
    if isinstance(part, dict):
        for name, member in part.items():
            if name == "expr":
                yield member
            yield from expressions(member)
    elif isinstance(part, list):
        for item in part:
            yield from expressions(item)


def with_variables(expression):
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


class MetricsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server())
        cls.url = cls.server.url.replace("/graphql", "/metrics")

    def metrics(self, accept):
        with urlopen(Request(self.url, headers={"Accept": accept})) as answer:
            return answer.headers["Content-Type"], answer.read().decode()

    def test_the_text_format_is_read_and_every_family_says_what_it_is(self):
        content_type, text = self.metrics("text/plain")
        self.assertEqual(content_type, "text/plain; version=0.0.4; charset=utf-8")
        families = {family.name: family for family in parser.text_string_to_metric_families(text)}
        self.assertGreater(len(families), 25)
        for family in families.values():
            self.assertIn(family.type, ("counter", "gauge", "histogram"), family.name)
            self.assertTrue(family.documentation, family.name)
            self.assertTrue(family.samples, family.name)
        self.assertEqual(families["credence_resolves"].type, "counter")

    def test_open_metrics_is_read_by_the_strict_parser_and_says_the_same(self):
        content_type, text = self.metrics("application/openmetrics-text; version=1.0.0")
        self.assertEqual(content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8")
        strict = {family.name: family.type for family in openmetrics_parser.text_string_to_metric_families(text)}
        _, plain = self.metrics("text/plain")
        self.assertEqual(strict, {f.name: f.type for f in parser.text_string_to_metric_families(plain)})

    def test_every_expression_of_the_rules_is_promql(self):
        rules = yaml.safe_load(RULES.read_text())
        self.assertEqual(list(rules), ["groups"])
        alerts = [rule for group in rules["groups"] for rule in group["rules"]]
        self.assertGreater(len(alerts), 10)
        for alert in alerts:
            self.assertLessEqual(set(alert), {"alert", "expr", "for", "labels", "annotations"})
            self.assertIn(alert["labels"]["severity"], ("critical", "warning"))
            promql_parser.parse(alert["expr"])

    def test_every_expression_of_the_dashboard_is_promql(self):
        found = list(expressions(json.loads(DASHBOARD.read_text())))
        self.assertGreater(len(found), 30)
        for expression in found:
            promql_parser.parse(with_variables(expression))

    def test_the_dashboard_is_one_by_the_types_of_grafana(self):
        raw = json.loads(DASHBOARD.read_text())
        read = json.loads(JSONEncoder(sort_keys=True).encode(grafana.Dashboard.from_json(raw)))
        for name in ("uid", "title", "schemaVersion", "time", "refresh"):
            self.assertEqual(read[name], raw[name])
        shape = lambda panels: [(panel["id"], panel["type"], panel["gridPos"]) for panel in panels]
        self.assertEqual(shape(read["panels"]), shape(raw["panels"]))
        identities = [panel["id"] for panel in raw["panels"]]
        self.assertEqual(len(set(identities)), len(identities))
        self.assertEqual(list(expressions(read)), list(expressions(raw)))

    def test_promtool_takes_rules_and_metrics(self):
        promtool = os.environ.get("PROMTOOL") or shutil.which("promtool")
        if promtool is None:
            self.assertNotIn("CI", os.environ, "promtool is missing: install the package `prometheus`.")
            self.skipTest("SKIPPED: promtool is not installed, it is in the package `prometheus`")
        subprocess.run([promtool, "check", "rules", RULES], check=True, capture_output=True)
        _, text = self.metrics("text/plain")
        checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
        self.assertEqual((checked.returncode, checked.stderr), (0, ""), checked.stdout)


if __name__ == "__main__":
    unittest.main()
