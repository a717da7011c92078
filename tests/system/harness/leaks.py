"""Looks for secrets where they must not be."""
import base64
import urllib.parse


def base64_forms(secret):
    """The inside of its base64 at each of the three alignments."""
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + secret)
        # The first and last characters mix with the neighbours.
        start = (0, 2, 3)[shift]
        yield text[start:-4]


def forms_of(secret):
    raw = secret if isinstance(secret, bytes) else secret.encode()
    found = {raw, raw.hex().encode(), raw.hex().upper().encode()}
    found.add(urllib.parse.quote(raw, safe="").encode())
    for form in base64_forms(raw):
        found.add(form)
        found.add(form.replace(b"+", b"-").replace(b"/", b"_"))
    return {f for f in found if len(f) >= 12}


class Scanner:
    def __init__(self):
        self.secrets = {}

    def add(self, name, secret):
        self.secrets[name] = forms_of(secret)

    def find(self, data):
        """Names of the secrets that are in data."""
        return sorted(name for name, forms in self.secrets.items()
                      if any(form in data for form in forms))


# AddressSanitizer's shadow, which holds no data, and whose pages would
# come into being by being read.
SHADOW_MIN = 1 << 34


def readable_maps(pid):
    with open("/proc/%d/maps" % pid) as file:
        for line in file:
            span, mode, *rest = line.split()
            if "r" not in mode or line.rstrip().endswith(
                    ("[vvar]", "[vsyscall]", "[vdso]")):
                continue
            start, end = (int(x, 16) for x in span.split("-"))
            if end - start < SHADOW_MIN:
                yield start, end


def memory_of(pid):
    """The readable memory of a process, region by region (root only)."""
    with open("/proc/%d/mem" % pid, "rb", buffering=0) as mem:
        for start, end in readable_maps(pid):
            at = start
            while at < end:
                size = min(end - at, 1 << 24)
                try:
                    mem.seek(at)
                    yield mem.read(size)
                except (OSError, ValueError, OverflowError):
                    pass
                at += size


def in_memory(pid, needles):
    """Which of the named byte strings are in the memory of pid."""
    found = set()
    for piece in memory_of(pid):
        for name, needle in needles.items():
            if needle in piece:
                found.add(name)
    return found
