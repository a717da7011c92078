"""Three MariaDB nodes on loopback that are one Galera cluster.

The first node is made like any other private server and stopped; its
directory is then copied for the other two, so that they join by the
missing writes alone.  As root everything runs as the user mysql: the
transfer of a whole node (rsync) refuses to work for root.
"""
import os
import pwd
import shutil
import signal
import subprocess

from .database import FAST
from .procs import Process, free_port, wait_until

PROVIDER = "/usr/lib/galera/libgalera_smm.so"
NODES = 3
FAST_ENOUGH = [a for a in FAST if "log-file-size" not in a]


def installed():
    return os.path.exists(PROVIDER) and all(
        shutil.which(name) for name in ("rsync", "mariadbd", "lsof"))


class Node:
    def __init__(self, cluster, index):
        self.cluster = cluster
        self.dir = os.path.join(cluster.dir, "n%d" % index)
        self.datadir = os.path.join(self.dir, "db")
        self.socket = os.path.join(self.dir, "s.sock")
        self.port, self.gcast, self.ist, self.sst = (
            free_port() for _ in range(4))
        self.process = None
        self.starts = 0

    def argv(self, new_cluster):
        peers = ",".join("127.0.0.1:%d" % n.gcast
                         for n in self.cluster.nodes)
        argv = ["mariadbd", "--no-defaults", "--datadir=" + self.datadir,
                "--socket=" + self.socket,
                "--pid-file=" + os.path.join(self.dir, "pid"),
                "--log-error=" + os.path.join(self.dir, "err.err"),
                "--bind-address=127.0.0.1", "--port=%d" % self.port,
                "--binlog-format=ROW", "--default-storage-engine=InnoDB",
                "--innodb-autoinc-lock-mode=2", "--wsrep-on=ON",
                "--innodb-log-file-size=16M",
                "--wsrep-provider=" + PROVIDER,
                "--wsrep-cluster-name=tests",
                "--wsrep-node-name=" + os.path.basename(self.dir),
                "--wsrep-cluster-address=gcomm://" +
                ("" if new_cluster else peers),
                "--wsrep-node-address=127.0.0.1:%d" % self.gcast,
                "--wsrep-sst-method=rsync",
                "--wsrep-sst-receive-address=127.0.0.1:%d" % self.sst,
                "--wsrep-provider-options=gmcast.listen_addr="
                "tcp://127.0.0.1:%d;ist.recv_addr=127.0.0.1:%d;"
                "gcache.size=32M;pc.recovery=false;"
                "evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT2S;"
                "evs.inactive_timeout=PT4S" %
                (self.gcast, self.ist)] + FAST_ENOUGH
        if new_cluster:
            argv.append("--wsrep-new-cluster")
        return self.cluster.as_user + argv

    def start(self, new_cluster=False):
        self.starts += 1
        self.process = Process(
            self.argv(new_cluster),
            os.path.join(self.cluster.dir, "n%s.out%d" % (
                os.path.basename(self.dir), self.starts)))

    def client(self, statement, database="mysql"):
        return subprocess.run(
            ["mariadb", "--no-defaults", "-uroot", "-S", self.socket, "-N",
             "-B", "--raw", database], input=statement.encode(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def ready(self):
        done = self.client("SHOW STATUS LIKE 'wsrep_ready'")
        return done.returncode == 0 and b"ON" in done.stdout

    def wait_ready(self, deadline=60):
        wait_until(lambda: self.ready() or not self.process.alive(),
                   deadline, "a node of the cluster", every=0.1)
        assert self.process.alive(), open(
            os.path.join(self.dir, "err.err")).read()[-3000:]

    def kill(self):
        """As a power failure: the node says nothing to the others."""
        self.process.stop(signal.SIGKILL)

    def stop(self):
        if self.process:
            self.process.stop(signal.SIGTERM, 30)
            self.process = None


class Cluster:
    """What harness.database.Database is, on three nodes."""

    def __init__(self, template, rundir, password):
        self.dir = rundir
        self.password = password
        self.as_user = []
        self.nodes = []
        self.nodes += [Node(self, i) for i in range(NODES)]
        if os.geteuid() == 0:
            self.as_user = ["runuser", "-u", "mysql", "--"]
        for node in self.nodes:
            os.makedirs(node.dir)
        shutil.copytree(template, self.nodes[0].datadir)
        self.own()
        self.form()

    def own(self):
        if self.as_user:
            subprocess.run(["chown", "-R", "mysql:", self.dir], check=True)
            # Every directory above must let the user through.
            os.chmod(self.dir, 0o755)
            os.chmod(os.path.dirname(self.dir), 0o755)

    def form(self):
        first = self.nodes[0]
        first.start(new_cluster=True)
        first.wait_ready()
        made = first.client(
            "CREATE DATABASE plugway CHARACTER SET utf8mb4;"
            "CREATE USER plugway@'%%' IDENTIFIED BY '%s';"
            "CREATE USER plugway@localhost IDENTIFIED BY '%s';"
            "GRANT ALL ON plugway.* TO plugway@'%%';"
            "GRANT ALL ON plugway.* TO plugway@localhost;" %
            (self.password, self.password))
        assert made.returncode == 0, made.stderr
        first.stop()
        for node in self.nodes[1:]:
            shutil.copytree(first.datadir, node.datadir)
        self.own()
        first.start(new_cluster=True)
        first.wait_ready()
        for node in self.nodes[1:]:
            node.start()
        for node in self.nodes[1:]:
            node.wait_ready()

    def size(self):
        """How many nodes a living node sees."""
        for node in self.nodes:
            if node.process and node.process.alive():
                done = node.client("SHOW STATUS LIKE 'wsrep_cluster_size'")
                if done.returncode == 0:
                    return int(done.stdout.split()[1])
        return 0

    def sql(self, statement):
        for node in self.nodes:
            if node.process and node.process.alive() and node.ready():
                done = node.client("SET wsrep_sync_wait=1;" + statement,
                                   "plugway")
                assert done.returncode == 0, done.stderr.decode()
                return [line.split("\t")
                        for line in done.stdout.decode().splitlines()]
        raise AssertionError("no node is ready")

    def url(self, first=0):
        """All nodes; `first` is the one to try first."""
        order = self.nodes[first:] + self.nodes[:first]
        return "mysql://plugway:%s@%s/plugway" % (self.password, ",".join(
            "127.0.0.1:%d" % n.port for n in order))

    def stop(self, number=signal.SIGKILL):
        for node in self.nodes:
            if node.process:
                node.process.stop(number)
                node.process = None
