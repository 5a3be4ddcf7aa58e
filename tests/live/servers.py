"""The servers that the live tests talk with: nginx, dnsmasq, radvd, ours with threads, and a certificate
authority.

Each function starts a program for the length of the case, and returns when it listens.
"""

import os
import re
import signal
import subprocess
import sys

import lab as lab_module
from lab import check, check_equal, need, until

PAGE_BYTES = 100 * 1000
PAGES = 10
THREADS_PORT = 8080

NGINX = """
daemon off;
user root root;
master_process off;
pid {dir}/nginx.pid;
error_log {dir}/nginx.error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    default_type application/octet-stream;
    types {{ text/html html; text/plain txt; }}
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    client_max_body_size 2g;
    keepalive_requests 100000;
    server {{
        {listen}
        server_name _;
        root {root};
        autoindex on;
        location /fresh/ {{ alias {root}/; keepalive_timeout 0; }}
        location = /moved {{ return 302 /hello.txt; }}
        location = /agent {{ return 200 "$http_user_agent|$http_x_test|$request_method"; }}
        location = /proto {{ return 200 "$server_protocol"; }}
        location = /who {{ return 200 "$remote_addr"; }}
        location = /gone {{ return 404 "gone"; }}
        location /slow/ {{ alias {root}/; limit_rate 200k; }}
    }}
}}
"""

# A part of a client's program: on its connection `s` a request, byte by byte, for longer than a client may be idle;
# prints how many seconds it was let.
ENDLESS_REQUEST = """
began = time.monotonic()
try:
    while time.monotonic() - began < 20:
        s.sendall(b"G")
        s.settimeout(0.2)
        try:
            if not s.recv(100):
                break
        except TimeoutError:
            pass
except OSError:
    pass
print(time.monotonic() - began)
"""


def certificate_authority(lab, name="ca"):
    """Makes a CA; returns (path of its certificate, path of its key)."""
    need("openssl")
    key, certificate = lab.path(f"{name}.key"), lab.path(f"{name}.pem")
    lab.command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj",
                f"/CN=live test {name}", "-addext", "basicConstraints=critical,CA:TRUE",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    return certificate, key


def certificate(lab, authority, names, addresses):
    """A server's certificate, signed by the authority; returns (certificate, key)."""
    key, request, signed = lab.path("server.key"), lab.path("server.csr"), lab.path("server.pem")
    extensions = lab.path("server.ext")
    alternatives = [f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses]
    with open(extensions, "w", encoding="utf-8") as out:
        out.write(f"subjectAltName={','.join(alternatives)}\nextendedKeyUsage=serverAuth\n")
    lab.command("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", key, "-out", request, "-subj", "/CN=live test server")
    lab.command("openssl", "x509", "-req", "-in", request, "-CA", authority[0], "-CAkey",
                authority[1], "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out",
                signed)
    return signed, key


def pages(lab):
    """A directory with pages 0.bin … 9.bin of 100 KB and a text; returns (path, their bytes)."""
    root = lab.path("www")
    bodies = []
    if not os.path.isdir(root):
        os.mkdir(root)
        for number in range(PAGES):
            lab_module.random_file(os.path.join(root, f"{number}.bin"), PAGE_BYTES + number)
        with open(os.path.join(root, "hello.txt"), "w", encoding="utf-8") as out:
            out.write("hello over teeceepee\n")
    for number in range(PAGES):
        with open(os.path.join(root, f"{number}.bin"), "rb") as page:
            bodies.append(page.read())
    return root, bodies


def nginx_of_workers(lab, count):
    """The arguments of an nginx with worker processes, for a place of its own; it listens on port 8080."""
    need("nginx")
    root, _ = pages(lab)
    home = lab.path("home")
    os.mkdir(home)
    text = NGINX.format(dir=home, listen="listen 8080 backlog=1024;", root=root)
    with open(f"{home}/conf", "w", encoding="utf-8") as file:
        file.write(text.replace("master_process off;", f"worker_processes {count};"))
    return ["nginx", "-c", f"{home}/conf", "-p", home, "-e", f"{home}/log"]


def nginx(lab, ns=None, root=None, tls=None, port=80, tls_port=443):
    """HTTP on every address of a namespace; with `tls` (certificate, key) HTTPS and HTTP/2 too."""
    need("nginx")
    if root is None:
        root, _ = pages(lab)
    listen = f"listen {port} reuseport backlog=4096; listen [::]:{port} reuseport backlog=4096;"
    if tls:
        listen += (f" listen {tls_port} ssl http2; listen [::]:{tls_port} ssl http2;"
                   f" ssl_certificate {tls[0]}; ssl_certificate_key {tls[1]};")
    home = lab.path(f"nginx{lab.count()}")
    os.mkdir(home)
    config = os.path.join(home, "nginx.conf")
    with open(config, "w", encoding="utf-8") as out:
        out.write(NGINX.format(dir=home, listen=listen, root=root))
    server = lab.start("nginx", "-c", config, "-p", home, "-e", f"{home}/nginx.error.log", ns=ns)
    _wait(lab, server, port, ns)
    if tls:
        _wait(lab, server, tls_port, ns)
    return server


def _wait(lab, server, port, ns, protocol="tcp"):
    def ready():
        check(server.is_running(), f"the server ended: {server.told()}")
        return lab.command("ss", "-Hln", "--" + protocol, f"sport = :{port}", ns=ns).strip()

    until(ready, 15, f"a server on {protocol} port {port}", 0.05)


def http_server(lab, root, port, ns=None):
    """Python's http.server."""
    server = lab.start(sys.executable, "-m", "http.server", "--bind", "::", "--directory", root,
                       str(port), ns=ns)
    _wait(lab, server, port, ns)
    return server


def dnsmasq(lab, *options, ns=None, wait=("udp", 53)):
    """dnsmasq with nothing but these options; its log is its standard error."""
    need("dnsmasq")
    home = lab.path(f"dnsmasq{lab.count()}")
    os.mkdir(home)
    server = lab.start("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts",
                       "--no-resolv", "--no-daemon", "--log-facility=-", "--log-queries",
                       "--log-dhcp", "--user=root", "--group=root", "--pid-file=",
                       f"--dhcp-leasefile={home}/leases", *options, ns=ns)
    server.leases = os.path.join(home, "leases")
    if wait:
        _wait(lab, server, wait[1], ns, wait[0])
    return server


def radvd(lab, device, prefix, ns=None, extra=""):
    """Router advertisements for a prefix on a device, a few a second at first."""
    need("radvd")
    home = lab.path(f"radvd{lab.count()}")
    os.mkdir(home)
    config = os.path.join(home, "radvd.conf")
    with open(config, "w", encoding="utf-8") as out:
        out.write(f"interface {device} {{\n  AdvSendAdvert on;\n  MinRtrAdvInterval 3;\n"
                  f"  MaxRtrAdvInterval 4;\n  AdvDefaultLifetime 60;\n  {extra}\n"
                  f"  prefix {prefix} {{ AdvOnLink on; AdvAutonomous on; "
                  "AdvValidLifetime 600; AdvPreferredLifetime 300; };\n};\n")
    lab.sysctl("net.ipv6.conf.all.forwarding", 1, ns=ns)
    return lab.start("radvd", "--nodaemon", "--logmethod=stderr", f"--config={config}",
                     f"--pidfile={home}/radvd.pid", ns=ns)


def resolver_of_the_host(lab, text):
    """Puts a resolv.conf of our own in the place of the machine's, in this mount namespace."""
    path = lab.path("resolv.conf")
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    os.chmod(path, 0o644)
    target = os.path.realpath("/etc/resolv.conf")
    if not os.path.exists(target):
        raise lab_module.Skip("there is no /etc/resolv.conf to replace")
    subprocess.run(["mount", "--bind", path, target], check=True)


TUN_OPENER = """
import fcntl, os, struct, sys
fd = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(fd, 0x400454ca, struct.pack('16sH22x', sys.argv[1].encode(), int(sys.argv[2])))
os.set_inheritable(fd, True)
os.execvp(sys.argv[3], [word.replace('FD', str(fd), 1) if word == 'tap:fd=FD' else word for word in sys.argv[3:]])
"""
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 2, 0x1000, 0x4000


def with_tap_open(device, header=True):
    """
    Words that open a TAP and hand it to the command after them as the descriptor that its link tap:fd=FD means. They
    have to run in the namespace where the device is.
    """
    flags = IFF_TAP | IFF_NO_PI | (IFF_VNET_HDR if header else 0)
    return [sys.executable, "-c", TUN_OPENER, device, str(flags)]


def as_nobody(lab):
    """Words that run the command after them as an ordinary user, who can reach the program."""
    need("setpriv")
    words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode != 0:
        raise lab_module.Skip("there is only one user in this namespace")
    path = os.path.join("/run", f"teeceepee{lab.number}")
    with open(lab.program, "rb") as program, open(path, "wb") as copy:
        copy.write(program.read())
    os.chmod(path, 0o755)
    lab.program = path
    os.chmod(lab.dir, 0o777)
    return words


# Fresh connections, then kept ones that are silent for longer than a TAP remembers whose they were.
MANY_CONNECTIONS = """
import socket, sys, time
address, port, count, pause = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
request = b"GET /hello.txt HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"
def ask(s):
    s.sendall(request)
    came = b""
    while not came.endswith(b"hello over teeceepee\\n"):
        more = s.recv(4096)
        assert more, came
        came += more
for number in range(count):
    s = socket.create_connection((address, port), 10)
    ask(s)
    s.close()
kept = [socket.create_connection((address, port), 10) for number in range(100)]
for s in kept:
    ask(s)
time.sleep(pause)
for s in kept:
    s.sendall(request[:10])
for s in kept:
    s.sendall(request[10:] + request)
    came = b""
    while came.count(b"hello over teeceepee\\n") < 2:
        came += s.recv(4096)
for s in kept:
    ask(s)
"""


def counters_named(text, name):
    """Each value that the counter has in what --stats printed."""
    return [int(a or b) for a, b in re.findall(rf"(\d+) +{name}\b|{name} +(\d+)", text)]


def serve_by_threads(lab, wire, family, ready=None):
    """
    `teeceepee serve` with two threads, and clients whose connections must stay with one of them each. `ready()`: it
    answers, where a ping would ask somebody else. Returns its counters, those of both threads one after the other.
    """
    root, bodies = pages(lab)
    server = lab.tee("serve", *wire.options(family), "--threads", 2, "--stats", "--port",
                     THREADS_PORT, root)
    if ready:
        until(lambda: ready() or not server.is_running(), 10, "the server")
    else:
        lab.wait_answering(wire, family)
    before = lab.counter("TcpEstabResets", wire.ns)
    lab.start("python3", "-c", MANY_CONNECTIONS, wire.ours(family), THREADS_PORT,
              100 if lab.quick else 1000, 1 if lab.quick else 4, ns=wire.ns).check_exit(0, 60)
    # Large enough to be in pieces, also for IP: an echo of 4,000 bytes.
    lab.command("ping", "-nq", "-c3", "-i0.1", "-W2", "-s4000", wire.ours(family), ns=wire.ns)
    done = subprocess.run(lab.inside(wire.ns) + [
        "curl", "-sS", "--max-time", "20", *(wire.own_url(family, f"/{number}.bin", THREADS_PORT)
                                             for number in range(len(bodies)))],
        stdin=subprocess.DEVNULL, capture_output=True, check=True)
    check(done.stdout == b"".join(bodies), "the pages differ")
    check_equal(lab.counter("TcpEstabResets", wire.ns) - before, 0, "connections that were reset")
    server.signal(signal.SIGTERM)
    server.check_exit(128 + signal.SIGTERM, 20)
    told = server.errors()
    taken = counters_named(told, "tcp.passive_opens")
    check(len(taken) == 2 and min(taken) > sum(taken) / 4, f"connections of each thread: {taken}")
    return told
