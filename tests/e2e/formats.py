"""What a node serves, held to the rules of its format: metrics (Prometheus text), the API's description (OpenAPI 3.1)."""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf'^({NAME})(\{{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\}})? (\S+)$')
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


def without_le(labels):
    return re.sub(r',?le="[^"]*",?', "", labels or "").replace("{}", "")


def metrics_errors(text):
    """What is wrong with an exposition, as sentences; an empty list when nothing is."""
    errors, helped, types, seen, buckets, counts = [], set(), {}, set(), {}, {}
    current = None
    if not text.endswith("\n"):
        errors.append("the last line does not end")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            if name in helped:
                errors.append(f"{name}: a second HELP")
            helped.add(name)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            if name in types:
                errors.append(f"{name}: a second TYPE")
            if kind not in SUFFIXES:
                errors.append(f"{name}: no such type: {kind}")
            if kind == "counter" and not name.endswith("_total"):
                errors.append(f"{name}: a counter's name ends in _total")
            if kind != "counter" and name.endswith("_total"):
                errors.append(f"{name}: only a counter's name ends in _total")
            types[name], current = kind, name
        elif (match := SAMPLE.match(line)) is None:
            errors.append(f"not a sample: {line}")
        else:
            name, labels, value = match.groups()
            if current is None or name not in [current + suffix for suffix in SUFFIXES.get(types[current], ())]:
                errors.append(f"{name}: not beside its TYPE")
            if current not in helped:
                errors.append(f"{name}: without HELP")
            if (name, labels) in seen:
                errors.append(f"{name}{labels or ''}: twice")
            seen.add((name, labels))
            if float(value) < 0 and types.get(current) == "counter":
                errors.append(f"{name}: a negative counter")
            if name.endswith("_bucket") and types.get(current) == "histogram":
                edge = re.search(r'le="([^"]*)"', labels or "")
                buckets.setdefault((current, without_le(labels)), []).append((float(edge.group(1)), float(value)))
            if name.endswith("_count") and types.get(current) == "histogram":
                counts[(current, labels or "")] = float(value)
    for (name, labels), steps in buckets.items():
        if steps != sorted(steps) or [count for _, count in steps] != sorted(count for _, count in steps):
            errors.append(f"{name}: buckets do not rise")
        if steps[-1] != (float("inf"), counts.get((name, labels))):
            errors.append(f"{name}: the last bucket is not +Inf with the count")
    return errors


def walk(value, path=""):
    """(path, object) for every object within."""
    if isinstance(value, dict):
        yield path, value
        for key, inner in value.items():
            yield from walk(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from walk(inner, f"{path}/{i}")


def openapi_errors(document):
    errors = []
    for key in ("openapi", "info", "paths"):
        if key not in document:
            errors.append(f"no {key}")
    if not re.match(r"^3\.1\.\d+$", document.get("openapi", "")):
        errors.append("openapi is not 3.1.x")
    if not {"title", "version"} <= set(document.get("info", {})):
        errors.append("info needs title and version")
    for path, item in walk(document):
        if "$ref" in item:
            target = document
            for key in item["$ref"].removeprefix("#/").split("/"):
                target = target.get(key) if isinstance(target, dict) else None
            if target is None:
                errors.append(f"{path}: {item['$ref']} leads nowhere")
        for name in item.get("required", []) if isinstance(item.get("required"), list) else []:
            if name not in item.get("properties", {}):
                errors.append(f"{path}: requires {name}, which it does not describe")
    for path, methods in document.get("paths", {}).items():
        if not path.startswith("/"):
            errors.append(f"{path}: does not begin with /")
        for method, operation in methods.items():
            where = f"{method} {path}"
            if method not in ("get", "put", "post", "delete", "patch"):
                errors.append(f"{where}: no such method")
            if not operation.get("responses"):
                errors.append(f"{where}: no responses")
            for status, response in operation.get("responses", {}).items():
                if not re.match(r"^([1-5]\d\d|default)$", status):
                    errors.append(f"{where}: no such status: {status}")
                if "$ref" not in response and "description" not in response:
                    errors.append(f"{where} {status}: no description")
            parameters = operation.get("parameters", [])
            named = {parameter["name"] for parameter in parameters if parameter.get("in") == "path"}
            if named != set(re.findall(r"\{(\w+)\}", path)):
                errors.append(f"{where}: its parameters are not those of its path")
            for parameter in parameters:
                if parameter["in"] == "path" and parameter.get("required") is not True:
                    errors.append(f"{where}: {parameter['name']} must be required")
                if "schema" not in parameter:
                    errors.append(f"{where}: {parameter['name']} has no schema")
    return errors
