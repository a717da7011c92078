#!/usr/bin/python3
"""Holds data/openapi.json against what plugway answers.

Exactly the routes of `plugwayctl routes`, with their path values and who
may call; every code of src/http/problem_table.h; no reference that
leads nowhere.  Prints one line for each fault; exits 1 when there is
one.
"""
import json
import os
import re
import subprocess
import sys

TOP = os.environ.get("srcdir", ".")
METHODS = ("get", "put", "post", "delete", "patch", "head", "options",
           "trace")
# Who may call, by what the document asks for; the order is no matter.
KEYS = {"session", "personalKey", "personalKeyHeader", "googleKeyHeader"}
FREE = {"refreshCookie", "metricsToken"}


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield method.upper(), path, item, operation


def lookup(document, reference):
    at = document
    for part in reference[2:].split("/"):
        part = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(at, dict) or part not in at:
            return None
        at = at[part]
    return at


def references(value):
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "$ref" and isinstance(inner, str):
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def path_names(document, item, operation):
    names = []
    for one in item.get("parameters", []) + operation.get("parameters", []):
        if "$ref" in one:
            one = lookup(document, one["$ref"]) or {}
        if one.get("in") == "path":
            names.append(one["name"])
    return sorted(names)


def who(operation):
    """none, jwt or key, as plugwayctl says it."""
    names = {name for one in operation.get("security", []) for name in one}
    if names <= FREE:
        return "none"
    if names == {"session"}:
        return "jwt"
    return "key" if names <= KEYS and "session" in names else str(names)


def check(document, rows):
    faults = []
    routes = {(r["method"], r["path"]): r for r in rows}
    found = {(m, p) for m, p, _, _ in operations(document)}
    for method, path in sorted(set(routes) - found):
        faults.append("not documented: %s %s" % (method, path))
    for method, path in sorted(found - set(routes)):
        faults.append("documented, but no route: %s %s" % (method, path))
    if len(routes) != len(rows):
        faults.append("a route is there twice")
    ids = [o.get("operationId") for _, _, _, o in operations(document)]
    if None in ids or len(set(ids)) != len(ids):
        faults.append("an operationId is missing or there twice")
    for method, path, item, operation in operations(document):
        name = "%s %s" % (method, path)
        named = path_names(document, item, operation)
        if named != sorted(re.findall(r"\{(\w+)\}", path)):
            faults.append("%s: path parameters %s" % (name, named))
        row = routes.get((method, path))
        if row and who(operation) != row["auth"]:
            faults.append("%s: %s may call, documented is %s" %
                          (name, row["auth"], who(operation)))
    for reference in sorted(set(references(document))):
        if lookup(document, reference) is None:
            faults.append("leads nowhere: " + reference)
    return faults


def main():
    document = json.loads(read("data/openapi.json"))
    rows = json.loads(subprocess.run(
        ["./plugwayctl", "routes", "--json"], check=True,
        capture_output=True, timeout=60).stdout)
    faults = check(document, rows)
    if not document["openapi"].startswith("3.1"):
        faults.append("it is not OpenAPI 3.1")
    text = json.dumps(document)
    codes = re.findall(r'^PROBLEM\(\w+, \d+, "(\w+)"',
                       read("src/http/problem_table.h"), re.M)
    for code in codes:
        if not re.search(r"\b%s\b" % code, text):
            faults.append("code not documented: " + code)
    for fault in faults:
        print("check_openapi: " + fault)
    if len(rows) < 10 or len(codes) < 10:
        print("check_openapi: nothing was compared")
        return 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
