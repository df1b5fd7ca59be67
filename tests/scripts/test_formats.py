"""The checks of what a node serves find what is wrong."""
import copy
import os
import sys
import unittest

ROOT = sys.argv.pop(1)
sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
from formats import metrics_errors, openapi_errors  # noqa: E402

METRICS = """# HELP a_total Things
# TYPE a_total counter
a_total{kind="x"} 1
a_total{kind="y"} 2
# HELP b_seconds Times
# TYPE b_seconds histogram
b_seconds_bucket{le="0.1"} 1
b_seconds_bucket{le="+Inf"} 3
b_seconds_sum 2.5
b_seconds_count 3
"""
OPENAPI = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"},
           "paths": {"/x/{id}": {"get": {"parameters": [{"name": "id", "in": "path", "required": True, "schema": {}}],
                                         "responses": {"200": {"description": "d", "content": {"application/json": {
                                             "schema": {"$ref": "#/components/schemas/X"}}}}}}}},
           "components": {"schemas": {"X": {"type": "object", "required": ["a"], "properties": {"a": {}}}}}}


class Formats(unittest.TestCase):
    def test_what_is_right_passes(self):
        self.assertEqual(metrics_errors(METRICS), [])
        self.assertEqual(openapi_errors(OPENAPI), [])

    def test_what_is_wrong_with_metrics_is_found(self):
        for right, wrong in (('kind="y"', 'kind="x"'), ("# HELP a_total Things\n", ""), ("a_total", "a"),
                             ('le="0.1"} 1', 'le="0.1"} 4'), ("count 3", "count 4"), ('{kind="x"} 1', '{kind=x} 1'),
                             ("counter", "number"), ("3\n", "3"), ('a_total{kind="x"} 1', "c_total 1")):
            self.assertNotEqual(metrics_errors(METRICS.replace(right, wrong)), [], wrong)

    def test_what_is_wrong_with_an_openapi_document_is_found(self):
        def broken(change):
            document = copy.deepcopy(OPENAPI)
            change(document)
            return openapi_errors(document)
        get = lambda document: document["paths"]["/x/{id}"]["get"]  # noqa: E731
        for change in (lambda d: d.update(openapi="3.0.0"), lambda d: d.pop("info"), lambda d: get(d).pop("parameters"),
                       lambda d: get(d).pop("responses"), lambda d: d["components"]["schemas"].pop("X"),
                       lambda d: d["components"]["schemas"]["X"]["required"].append("b"),
                       lambda d: get(d)["responses"]["200"].pop("description")):
            self.assertNotEqual(broken(change), [])


if __name__ == "__main__":
    unittest.main()
