#!/usr/bin/python3
"""What is configured, for contrib/quickstart.

environment.py given TOP           prints shell assignments: what .env at
                                   the top of the checkout and the
                                   environment say
environment.py write TOP FILE      writes FILE (mode 0600): NAME=value
                                   lines of standard input, overruled by
                                   .env, overruled by the environment

The names are those of etc/plugway.env.  The syntax of .env is that of
plugwayd: comments, `export`, single and double quotes, no expansion.
"""
import os
import re
import shlex
import sys

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
OIDC = re.compile(r"OIDC_[A-Z0-9_]+_(ISSUER|CLIENT_ID|CLIENT_SECRET|SCOPES)"
                  r"(_FILE)?\Z")
# Other programs of this checkout read these; plugwayd does not know them.
NOT_OURS = {"PLUGWAY_BUILDDIR"}
ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def known_names(top):
    names = set()
    with open(os.path.join(top, "etc", "plugway.env"),
              encoding="utf-8") as sample:
        for line in sample:
            match = re.match(r"#?([A-Z][A-Z0-9_]*)=", line)
            if match:
                names.add(match.group(1))
    return names


def quoted(text, at):
    """A value in quotes at text[at]; returns it and what is behind."""
    quote, out, at = text[at], [], at + 1
    while at < len(text) and text[at] != quote:
        if quote == '"' and text[at] == "\\" and at + 1 < len(text):
            at += 1
            out.append(ESCAPES.get(text[at], text[at]))
        else:
            out.append(text[at])
        at += 1
    if at >= len(text):
        sys.exit(".env: a quote is not closed")
    return "".join(out), at + 1


def parse(text):
    values, at = {}, 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at:end].strip()
        match = re.match(r"\s*(?:export\s+)?([A-Za-z_]\w*)[ \t]*=[ \t]*",
                         text[at:end])
        if not line or line.startswith("#"):
            at = end + 1
            continue
        if not match:
            sys.exit(".env: not NAME=value: %s" % line.split("=")[0][:40])
        start = at + match.end()
        if start < len(text) and text[start] in "'\"":
            values[match.group(1)], at = quoted(text, start)
            end = text.find("\n", at)
            at = len(text) if end < 0 else end + 1
        else:
            values[match.group(1)] = re.sub(r"(^|\s)#.*", "",
                                            text[start:end]).strip()
            at = end + 1
    return values


def configured(top):
    values = {}
    path = os.path.join(top, ".env")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            values = parse(file.read())
    known = known_names(top)
    for name, value in os.environ.items():
        plain = name[:-5] if name.endswith("_FILE") else name
        if name in NOT_OURS or not NAME.match(name):
            continue
        if plain in known or OIDC.match(name) or name.startswith("PLUGWAY_"):
            values[name] = value
    return {name: value for name, value in values.items() if value != ""}


def show(top):
    values = configured(top)
    for name in sorted(known_names(top)):
        value = values.get(name, "")
        secret = re.search("KEY|SECRET|TOKEN|DATABASE_URL", name)
        if not value and values.get(name + "_FILE"):
            secret, value = True, "file"
        if secret and value:
            value = "given"
        print("given_%s=%s" % (name, shlex.quote(value)))


def write(top, path):
    values = configured(top)
    fallback = dict(line.rstrip("\n").split("=", 1) for line in sys.stdin
                    if "=" in line)
    for name, value in fallback.items():
        if name not in values and name + "_FILE" not in values:
            values[name] = value
    out = ["# Written by contrib/quickstart from .env, the environment and",
           "# what it generated; written again by its next run."]
    for name in sorted(values):
        value = re.sub(r'([\\"$])', r"\\\1", values[name])
        value = value.replace("\n", "\\n").replace("\r", "\\r")
        out.append('%s="%s"' % (name, value))
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "given":
        show(sys.argv[2])
    elif len(sys.argv) == 4 and sys.argv[1] == "write":
        write(sys.argv[2], sys.argv[3])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
