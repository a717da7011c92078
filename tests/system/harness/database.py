"""A private MariaDB server on a UNIX socket."""
import os
import pwd
import shutil
import signal
import subprocess

from .procs import Process, wait_until

FAST = ["--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M",
        "--innodb-flush-log-at-trx-commit=0", "--performance-schema=OFF",
        "--key-buffer-size=1M", "--aria-pagecache-buffer-size=1M",
        "--innodb-fast-shutdown=2", "--skip-name-resolve",
        "--max-connections=400"]


def as_user():
    return ["--user=root"] if os.geteuid() == 0 else []


def make_template(path):
    """An empty data directory, copied for each server."""
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", "--datadir=" + path,
         "--auth-root-authentication-method=normal", "--skip-test-db"] +
        as_user(), check=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    return path


class Database:
    def __init__(self, template, rundir, password, port=None):
        self.rundir = rundir
        self.datadir = os.path.join(rundir, "db")
        self.socket = os.path.join(rundir, "db.sock")
        self.password = password
        self.port = port
        self.process = None
        shutil.copytree(template, self.datadir)
        self.start()
        self.sql("CREATE DATABASE plugway CHARACTER SET utf8mb4;"
                 "CREATE USER plugway IDENTIFIED BY '%s';"
                 "CREATE USER plugway@localhost IDENTIFIED BY '%s';"
                 "GRANT ALL ON plugway.* TO plugway;"
                 "GRANT ALL ON plugway.* TO plugway@localhost;"
                 % (password, password), database="mysql")

    def start(self):
        net = ["--skip-networking"] if not self.port else [
            "--bind-address=127.0.0.1", "--port=%d" % self.port]
        self.process = Process(
            ["mariadbd", "--no-defaults", "--datadir=" + self.datadir,
             "--socket=" + self.socket,
             "--pid-file=" + os.path.join(self.rundir, "db.pid"),
             "--log-error=" + os.path.join(self.rundir, "db.err")] +
            FAST + net + as_user(), os.path.join(self.rundir, "db.out"))
        wait_until(lambda: self.ping() or not self.process.alive(), 30,
                   "mariadbd")
        assert self.process.alive(), open(
            os.path.join(self.rundir, "db.err")).read()

    def ping(self):
        return self.client("SELECT 1", "mysql").returncode == 0

    def client(self, statement, database):
        return subprocess.run(
            ["mariadb", "--no-defaults", "-uroot", "-S", self.socket, "-N",
             "-B", "--raw", database], input=statement.encode(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def sql(self, statement, database="plugway"):
        """Rows of strings; NULL reads as the text NULL."""
        done = self.client(statement, database)
        if done.returncode:
            raise AssertionError(done.stderr.decode())
        return [line.split("\t")
                for line in done.stdout.decode().splitlines()]

    def value(self, statement):
        rows = self.sql(statement)
        return rows[0][0] if rows else None

    def url(self, user="plugway", password=None, database="plugway"):
        if self.port:
            where = "127.0.0.1:%d/%s" % (self.port, database)
        else:
            where = "localhost/%s?unix_socket=%s" % (database, self.socket)
        return "mysql://%s:%s@%s" % (user, password or self.password, where)

    def stop(self, number=signal.SIGTERM):
        if self.process:
            self.process.stop(number)
            self.process = None

    def freeze(self):
        self.process.kill(signal.SIGSTOP)

    def thaw(self):
        self.process.kill(signal.SIGCONT)


def name_of_user():
    return pwd.getpwuid(os.geteuid()).pw_name
