"""lighttpd, nginx and Apache with the configurations of etc/."""
import os
import pwd
import subprocess

from .database import name_of_user
from .fastcgi import Client
from .gateway import DAEMON
from .procs import Process, TOP, free_port, wait_until

import socket

KINDS = ("lighttpd", "nginx", "apache", "apache-fcgid")


class Front:
    """A web server in front of a gateway."""

    def __init__(self, kind, gateway):
        self.kind = kind
        self.gateway = gateway
        self.port = free_port()
        self.rundir = os.path.join(gateway.rundir,
                                   "%s-%s" % (gateway.name, kind))
        self.user = "www-data" if os.geteuid() == 0 else name_of_user()
        os.makedirs(os.path.join(self.rundir, "tmp"), exist_ok=True)
        if os.geteuid() == 0:
            owner = pwd.getpwnam(self.user)
            for path in (self.rundir, self.rundir + "/tmp"):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        self.config = os.path.join(self.rundir, kind + ".conf")
        self.render()
        self.process = Process(self.argv(),
                               os.path.join(self.rundir, "out.log"))
        wait_until(lambda: self.listening() or not self.process.alive(), 15,
                   kind)
        assert self.process.alive(), self.process.text() + self.logs()

    def values(self):
        values = {"ADDRESS": "127.0.0.1", "PORT": self.port,
                  "SOCKET": self.gateway.socket, "RUNDIR": self.rundir,
                  "LOGDIR": self.rundir, "USER": self.user,
                  "GROUP": "www-data" if os.geteuid() == 0 else self.user,
                  "MODULES": "/usr/lib/apache2/modules",
                  "BRIDGE": os.path.join(self.rundir, "bridge.fcgi")}
        return ["%s=%s" % pair for pair in values.items()]

    def render(self):
        template = os.path.join(TOP, "etc", self.kind + ".conf.in")
        done = subprocess.run(
            [os.path.join(TOP, "contrib", "render"), template] +
            self.values(), check=True, capture_output=True)
        with open(self.config, "wb") as file:
            file.write(done.stdout)
        if self.kind == "apache-fcgid":
            path = os.path.join(self.rundir, "bridge.fcgi")
            with open(path, "w") as file:
                file.write("#!/bin/sh\nexec %s --bridge --listen unix:%s "
                           "--env %s\n" % (DAEMON, self.gateway.socket,
                                           self.gateway.env_file))
            os.chmod(path, 0o755)

    def argv(self):
        return {"lighttpd": ["lighttpd", "-D", "-f", self.config],
                "nginx": ["nginx", "-c", self.config, "-g", "daemon off;",
                          "-e", self.rundir + "/nginx-start.log"],
                "apache": ["apache2", "-f", self.config, "-DFOREGROUND"],
                "apache-fcgid": ["apache2", "-f", self.config,
                                 "-DFOREGROUND"]}[self.kind]

    def listening(self):
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def logs(self):
        text = []
        for name in os.listdir(self.rundir):
            if name.endswith(".log"):
                with open(os.path.join(self.rundir, name),
                          errors="replace") as file:
                    text.append(file.read())
        return "\n".join(text)

    @property
    def base(self):
        return "http://127.0.0.1:%d" % self.port

    @property
    def client(self):
        return Client(base=self.base, seen=self.gateway.seen)

    def stop(self):
        self.process.stop()
