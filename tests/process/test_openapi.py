"""/openapi.json of the real programs: whole, true, and cheap to ask for again.

Every reference leads somewhere; every example is a request that the service answers as the document says; what the
document says of answers and of problems is what comes.
"""
import json
import re
import unittest
import urllib.parse

from expectations import held_out
from stack import Stack, web_servers

JSON = {"Content-Type": "application/json"}
MODELS = ["cancer-logistic", "diabetes-ridge", "digits-mlp"]
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int,
         "number": (int, float)}


class Document:
    """An OpenAPI document, and what its schemas say of a value. Knows the keywords that ours uses, and no others."""
    IGNORED = {"description", "title", "format", "default", "examples", "x-columns"}

    def __init__(self, text):
        self.root = json.loads(text)

    def lookup(self, reference):
        found = self.root
        for part in reference.removeprefix("#/").split("/"):
            part = urllib.parse.unquote(part).replace("~1", "/").replace("~0", "~")
            found = found[int(part)] if isinstance(found, list) else found[part]
        return found

    def resolve(self, value):
        return self.lookup(value["$ref"]) if "$ref" in value else value

    def references(self, value=None):
        value = self.root if value is None else value
        for each in value.values() if isinstance(value, dict) else value:
            if isinstance(each, (dict, list)):
                yield from self.references(each)
        if isinstance(value, dict) and isinstance(value.get("$ref"), str):
            yield value["$ref"]

    def faults(self, schema, value, path="value"):
        """What is wrong with the value, a list of sentences."""
        return [fault for keyword, said in schema.items() if keyword not in self.IGNORED
                for fault in getattr(self, "_" + keyword.replace("$", ""))(said, value, path, schema)]

    def _ref(self, reference, value, path, _):
        return self.faults(self.lookup(reference), value, path)

    def _type(self, types, value, path, _):
        types = types if isinstance(types, list) else [types]
        fits = any(isinstance(value, TYPES[each]) and isinstance(value, bool) == (each == "boolean") or
                   each == "integer" and isinstance(value, float) and value.is_integer() for each in types)
        return [] if fits else [f"{path}: {value!r} is no {types}"]

    def _const(self, constant, value, path, _):
        return [] if value == constant else [f"{path}: {value!r} is not {constant!r}"]

    def _enum(self, values, value, path, _):
        return [] if value in values else [f"{path}: {value!r} is none of {values!r}"]

    def _bound(self, kind, value, path, good):
        return [] if not isinstance(value, kind) or good(value) else [f"{path}: {str(value)[:80]} is beyond a bound"]

    def _minimum(self, bound, value, path, _):
        return self._bound((int, float), value, path, lambda number: number >= bound)

    def _maximum(self, bound, value, path, _):
        return self._bound((int, float), value, path, lambda number: number <= bound)

    def _minItems(self, bound, value, path, _):
        return self._bound(list, value, path, lambda items: len(items) >= bound)

    def _maxItems(self, bound, value, path, _):
        return self._bound(list, value, path, lambda items: len(items) <= bound)

    def _minLength(self, bound, value, path, _):
        return self._bound(str, value, path, lambda text: len(text) >= bound)

    def _maxLength(self, bound, value, path, _):
        return self._bound(str, value, path, lambda text: len(text) <= bound)

    def _pattern(self, pattern, value, path, _):
        return self._bound(str, value, path, lambda text: re.search(pattern, text))

    def _required(self, names, value, path, _):
        return [f"{path}.{name} is missing" for name in names if isinstance(value, dict) and name not in value]

    def _properties(self, properties, value, path, _):
        return [fault for name, schema in properties.items() if isinstance(value, dict) and name in value
                for fault in self.faults(schema, value[name], f"{path}.{name}")]

    def _additionalProperties(self, allowed, value, path, schema):
        assert allowed is False
        return [f"{path}.{name} is unknown" for name in value if isinstance(value, dict) and name not in schema["properties"]]

    def _items(self, schema, value, path, _):
        return [fault for index, each in enumerate(value if isinstance(value, list) else [])
                for fault in self.faults(schema, each, f"{path}[{index}]")]

    def _prefixItems(self, schemas, value, path, _):
        return [fault for index, (schema, each) in enumerate(zip(schemas, value if isinstance(value, list) else []))
                for fault in self.faults(schema, each, f"{path}[{index}]")]

    def _anyOf(self, schemas, value, path, _):
        faults = [self.faults(schema, value, path) for schema in schemas]
        return [] if [] in faults else [f"{path}: fits none", *sum(faults, [])]


class OpenApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(web="nginx", models=MODELS)
        cls.stack.start()
        cls.addClassCleanup(cls.stack.stop)
        status, cls.headers, body = cls.stack.request("GET", "/openapi.json")
        assert status == 200, body
        cls.document = Document(body)
        cls.paths = cls.document.root["paths"]

    def operations(self):
        return [(path, method, operation) for path, item in self.paths.items()
                for method, operation in item.items() if method in ("get", "post")]

    def fits(self, schema, value):
        self.assertEqual(self.document.faults(schema, value), [])

    def schema_of(self, operation, status, media="application/json"):
        return self.document.resolve(operation["responses"][str(status)])["content"][media]["schema"]

    def test_it_is_whole(self):
        root = self.document.root
        self.assertTrue(root["openapi"].startswith("3.1."))
        self.assertEqual(root["servers"], [{"url": "/"}])
        self.assertGreater(len([self.document.lookup(reference) for reference in self.document.references()]), 100)
        ids = [operation["operationId"] for _, _, operation in self.operations()]
        self.assertEqual(len(ids), len(set(ids)))
        for path, method, operation in self.operations():
            with self.subTest(path=path, method=method):
                named = {parameter["name"] for parameter in map(self.document.resolve, operation.get("parameters", []))
                         if parameter["in"] == "path"}
                self.assertEqual({part[1:-1] for part in path.split("/") if part.startswith("{")}, named)
                self.assertTrue({"200", "202"} & set(operation["responses"]))
        schemes = root["components"]["securitySchemes"]
        self.assertEqual((schemes["key"]["name"], schemes["bearer"]["scheme"]), ("X-API-Key", "bearer"))
        self.assertTrue(all(set(need) <= set(schemes) for need in root["security"]))

    def test_each_model_has_its_paths(self):
        for model in MODELS:
            for path in (f"/api/v1/models/{model}", f"/api/v1/models/{model}/versions/1"):
                self.assertIn("post", self.paths[path + "/predict"])
                self.assertIn("post", self.paths[path + "/batch-predict"])

    def test_examples_are_answered_as_it_is_said(self):
        asked = 0
        for path, method, operation in self.operations():
            if method != "post" or path.startswith("/v2"):
                continue
            content = operation["requestBody"]["content"]
            schema = content["application/json"]["schema"]
            bodies = [("application/json", json.dumps(example)) for example in self.document.resolve(schema).get("examples", [])]
            bodies += [("text/csv", content["text/csv"]["example"])] if "text/csv" in content else []
            for media, body in bodies:
                with self.subTest(path=path, body=body):
                    status, _, answer = self.stack.request("POST", path, body, {"Content-Type": media})
                    self.assertEqual(status, 200, answer)
                    self.fits(self.schema_of(operation, 200), json.loads(answer))
                    if media == "application/json":
                        self.fits(schema, json.loads(body))
                    asked += 1
        self.assertEqual(asked, len(MODELS) * 4 * 3)    # paths of each, and two examples of JSON and one of CSV

    def test_real_rows_fit_too(self):
        for model in MODELS:
            expected = held_out(model)
            row = expected.features[0]
            for features in (row, dict(zip(expected.feature_names, row, strict=True))):
                operation = self.paths[f"/api/v1/models/{model}/predict"]["post"]
                self.fits(operation["requestBody"]["content"]["application/json"]["schema"], {"features": features})
                general = self.paths["/api/v1/predict"]["post"]
                body = {"model": model, "features": features}
                self.fits(general["requestBody"]["content"]["application/json"]["schema"], body)
                status, _, answer = self.stack.request("POST", "/api/v1/predict", json.dumps(body), JSON)
                self.assertEqual(status, 200)
                self.fits(self.schema_of(operation, 200), json.loads(answer))
                self.fits(self.schema_of(general, 200), json.loads(answer))

    def test_what_is_refused_is_a_problem_as_it_is_said(self):
        path = "/api/v1/models/cancer-logistic/predict"
        operation = self.paths[path]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        good = held_out("cancer-logistic").features[0]
        for body in ({"features": good[:29]}, {"features": good[:29] + ["x"]}, {"features": {"mean radius": 1}}, {},
                     {"features": good, "what": 1}, {"features": good, "timeout_ms": 0}, {"features": good, "model": "another"}):
            with self.subTest(body=body):
                self.assertNotEqual(self.document.faults(schema, body), [])
                status, headers, answer = self.stack.request("POST", path, json.dumps(body), JSON)
                self.assertEqual((status, headers["content-type"]), (400, "application/problem+json"))
                self.fits(self.schema_of(operation, 400, "application/problem+json"), json.loads(answer))

    def test_what_can_be_read_is_as_it_is_said(self):
        for path, method, operation in self.operations():
            if method != "get" or path.startswith("/v2"):
                continue
            with self.subTest(path=path):
                status, headers, body = self.stack.request("GET", path.replace("{model}", "diabetes-ridge"))
                self.assertEqual(status, 200)
                media = headers["content-type"].split(";")[0]
                schema = self.schema_of(operation, 200, media)
                self.fits(schema, json.loads(body) if media == "application/json" else body.decode())

    def test_asked_again(self):
        for web in web_servers():
            with self.subTest(web=web), Stack(web=web, models=["diabetes-ridge"]) as stack:
                for path in ("/openapi.json", "/docs"):
                    status, headers, body = stack.request("GET", path)
                    self.assertEqual((status, headers["cache-control"]), (200, "no-cache"))
                    tag = headers["etag"]
                    status, headers, nothing = stack.request("HEAD", path)
                    self.assertEqual((status, headers["etag"], nothing), (200, tag, b""))
                    for known in (tag, f'"other", {tag.removeprefix("W/")}'):
                        status, headers, nothing = stack.request("GET", path, headers={"If-None-Match": known})
                        self.assertEqual((status, headers["etag"], nothing), (304, tag, b""))
                    status, headers, again = stack.request("GET", path, headers={"If-None-Match": '"other"'})
                    self.assertEqual((status, again), (200, body))
                    self.assertEqual(stack.request("POST", path, "{}", JSON)[0], 405)


if __name__ == "__main__":
    unittest.main()
