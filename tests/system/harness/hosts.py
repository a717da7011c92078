"""Several gateways on one database, as several hosts would run them."""
import threading
import time


def parallel(count, one):
    """one(i) in count threads at once; results, or the first failure."""
    results, failed = [None] * count, []
    barrier = threading.Barrier(count)

    def run(i):
        try:
            barrier.wait(60)
            results[i] = one(i)
        except Exception as err:        # told by the caller
            failed.append(err)
    threads = [threading.Thread(target=run, args=(i,), daemon=True)
               for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    if failed:
        raise failed[0]
    return results


def patient(call, deadline=20.0):
    """Asks again, as told by Retry-After, while no worker is free."""
    end = time.monotonic() + deadline
    answer = call()
    while answer.status == 503 and answer.code == "overloaded" and \
            time.monotonic() < end:
        time.sleep(0.05)
        answer = call()
    return answer


class Hosts:
    """Measures how soon a change holds on all of them."""

    def __init__(self, *gateways):
        self.gateways = gateways
        self.worst = {}

    @property
    def clients(self):
        return [gateway.client for gateway in self.gateways]

    def holds(self, what, condition, bound=2.0, at_once=8):
        """condition(client) must hold on every host within the bound,
        and from then on for many calls at once: for all workers."""
        began = time.monotonic()
        waiting = list(self.clients)
        while waiting:
            waiting = [c for c in waiting if not condition(c)]
            took = time.monotonic() - began
            assert not waiting or took < bound + 1, \
                "%s: not after %.2f s" % (what, took)
            if waiting:
                time.sleep(0.005)
        for client in self.clients:
            assert all(parallel(at_once, lambda i: condition(client))), what
        self.worst[what] = max(took, self.worst.get(what, 0))
        assert took <= bound, "%s took %.2f s" % (what, took)
        return took

    def report(self):
        for what, took in sorted(self.worst.items()):
            print("\n%-32s %.3f s at worst" % (what, took), end="")
