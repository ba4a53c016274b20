"""How each command of the pages is run, page by page, in the pages' order."""
import json
import os
import re
import shutil
import signal

from kinds_of_plans import Answer, Assign, Beside, Elsewhere, Run, Serve, Stay
from site_of_page import ROOT, Missing

# Whose ```sh blocks other tests run, which name the page.
FENCED_RUN_BY = {
    "docs/http.md": "tests/server/http/docs_test.py",
    "docs/quickstart.md": "tests/examples/quickstart.py",
    "docs/three-nodes.md": "tests/faults/tour_test.py",
}
PERFORMANCE = ("docs/performance.md",)
KAFKA_PAGES = ("docs/commands.md", "docs/publishing.md")

SHELL = """--id {} --input '{{"script":"echo hi"}}'"""
EXPENSE = """
document: { dsl: '1.0.3', namespace: shop, name: expense, version: 1.0.0 }
do:
  - approve:
      call: evermill.ask
      with: { candidateGroups: finance, form: { type: object, required: [approved], properties: { approved: { type: boolean } } } }
"""
NIGHTLY = """
document: { dsl: '1.0.3', namespace: shop, name: nightly, version: 1.0.0 }
schedule: { cron: '0 3 * * *' }
do:
  - tidy: { set: { tidy: true } }
"""


def read(page):
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        return file.read()


def have_order_file(site):
    """The file that stands in docs/yaml.md."""
    asked = site.have_http()
    block = re.search(r"^    document:.*?\n\n", read("docs/yaml.md"), re.MULTILINE | re.DOTALL).group()
    text = block.replace("https://stock.example", f"http://127.0.0.1:{site.ports['4318']}")
    site.write("order.yaml", text)
    return asked


# What pages take for granted


def for_readme(site):
    for name in ("run.sh", "test.sh"):
        site.link(name, os.path.join(ROOT, name))
    if site.orders is None:
        raise Missing("the README's program is not built")
    site.link("orders", site.orders)
    site.have_redis()
    have_order_file(site)


def for_api(site):
    site.replaced["evm_…"] = site.have_secured_server()


def for_backends(site):
    site.write("secrets/password", "secret")
    site.write("secrets.yaml", "password: secret\n", 0o600)
    site.environment["MYAPP_password"] = "secret"
    site.have_redis()
    site.serve(site.text_of("evermill server --queue redis://localhost:6379 --data node-1", ()))


def for_cli(site):
    site.write(".evermill-token", site.have_secured_server(), 0o600)
    site.serve(site.text_of("evermill server --data staging --listen 127.0.0.1:7466", ()))
    site.run(site.text_of("evermill context set staging --server 127.0.0.1:7466", ()))
    site.have_redis()


def for_cluster(site):
    site.have_redis()


def for_commands(site):
    site.have_kafka()


def for_containers(site):
    os.mkdir(site.path("group"))


def for_deployment(site):
    site.have_redis()
    site.environment["EVERMILL_DATA"] = site.path("data")


def for_http(site):
    hooks = re.search(r"^```yaml\n(.*?)^```", read("docs/http.md"), re.MULTILINE | re.DOTALL).group(1)
    site.write("hooks.yaml", hooks)
    site.write("secret", "a secret of a page\n", 0o600)


def for_journals(site):
    site.link("my-program", site.program)
    os.makedirs(site.path("tests", "journals"))
    site.run("evermill run shell " + SHELL.format("one"))
    site.run("evermill export --all --output tests/journals/one.jsonl")


def for_observability(site):
    site.traced = site.have_http()
    site.environment["EVERMILL_DATA"] = site.path("DIR")


def for_plugins(site):
    if site.sqlite_queue is None or site.notify is None:
        raise Missing("there are plugins that are not built")
    site.link("libsqlite_queue.so", site.sqlite_queue)
    os.makedirs(site.path("lib", "evermill"))
    site.link("lib/evermill/libevermill_notify.so", site.notify)


def for_publishing(site):
    site.have_redis()
    site.have_kafka()


def for_yaml(site):
    have_order_file(site)
    site.write("order.json", '{"item": "pen"}')
    site.write("nightly.yaml", NIGHTLY)


def for_data_pipeline(site):
    if shutil.which("dpkg-query") is None:
        raise Missing("this is no Debian: there is no dpkg-query")
    site.write("tables/debian.csv", "version,codename,series,created,release,eol\n1.1,Buzz,buzz,1993-08-16,1996-06-17,1997-06-05\n")
    site.replaced["/tmp/report"] = site.path("report")


def for_software_build(site):
    site.environment["config"] = site.path("apt.conf")
    site.run("evermill run shell " + SHELL.format("first"))  # `start` makes no directory
    site.replaced["/tmp/zlib"] = site.path("zlib")


def for_sqlite_queue(site):
    for_plugins(site)
    site.replaced["$PWD/build/release/examples/sqlite_queue/libsqlite_queue.so"] = "./libsqlite_queue.so"


PREPARATIONS = {
    "README.md": for_readme,
    "docs/api.md": for_api,
    "docs/backends.md": for_backends,
    "docs/cli.md": for_cli,
    "docs/cluster.md": for_cluster,
    "docs/commands.md": for_commands,
    "docs/containers.md": for_containers,
    "docs/deployment.md": for_deployment,
    "docs/http.md": for_http,
    "docs/journals.md": for_journals,
    "docs/observability.md": for_observability,
    "docs/plugins.md": for_plugins,
    "docs/publishing.md": for_publishing,
    "docs/yaml.md": for_yaml,
    "examples/data_pipeline/README.md": for_data_pipeline,
    "examples/software_build/README.md": for_software_build,
    "examples/sqlite_queue/README.md": for_sqlite_queue,
}


def prepare(page, site):
    PREPARATIONS.get(page, lambda _: None)(site)


# What happens between the commands


def order_is_parked(site):
    """As the page says: Ctrl-C."""
    site.wait_until(lambda: site.succeeds("./orders describe o-1"), "nothing is started")
    site.stop_last(signal.SIGINT, code=5)


def nobody_uses_a_context(site):
    site.run("evermill context use --none")


def all_has_ended(site):
    site.stop_all()


def expense_waits(site):
    site.write("expense.yaml", EXPENSE)
    site.run("evermill start expense.yaml --id expense-1")
    site.serve("evermill server")
    site.wait_until(lambda: "expense-1/" in site.run("evermill tasks list"), "there is no task")
    site.stop_last()
    found = json.loads(site.run("evermill tasks list --json"))
    site.replaced["expense-1/7.2"] = found["task_id"]


def there_is_a_backup(site):
    shutil.copytree(site.path("evermill-data"), site.path("backup"), ignore=shutil.ignore_patterns("*.sock"))


def compose_has_started(site):
    site.stop_all()
    site.serve(site.text_of("evermill server --queue kafka://localhost:9092 --data node-1", ()))


def all_nodes_work(site):
    site.run("evermill cluster --wait-for 2 --timeout 60")


def worker_is_known(site):
    """To the node, some moments after it says that it runs."""
    asked = site.text_of("evermill cluster --queue kafka://localhost:9092", ())
    site.wait_until(lambda: " worker " in site.run(asked), "there is no worker")


def token_is_known(site):
    first = site.run("evermill token list --json --file tokens.json").splitlines()[0]
    site.replaced[" ID "] = f" {json.loads(first)['id']} "


def hello_is_started(site):
    """By the record, and done."""
    site.wait_until(lambda: site.succeeds(site.text_of("evermill describe hello --queue kafka://localhost:9092", ())), "nothing is started")
    site.run(site.text_of("evermill run shell --id hello --queue kafka://localhost:9092", ()))


def one_is_published(site):
    """Some moments after its end: publishing is nothing that an execution waits for."""
    site.run(site.text_of("evermill run shell --queue kafka://localhost:9092 " + SHELL.format("one"), ()))
    look = site.text_of("kcat -b localhost:9092 -C -e -q -t evermill.events -o beginning -f '%h\n' | grep ExecutionCompleted", ())
    site.wait_until(lambda: site.succeeds(f"set -o pipefail; {look}"), "nothing is published")


def published(site):
    """At least one execution of the first partition."""
    names = (f"more-{number}" for number in range(1000))

    def is_there():
        site.run("evermill run shell --data data " + SHELL.format(next(names)))
        return "hce_id" in site.run(site.text_of("redis-cli XRANGE '{evermill:events:0}:records' - +", ()))

    site.wait_until(is_there, "nothing is published")


def traces_are_sent(site):
    """By the server that was started last."""
    site.run("evermill run shell --data DIR " + SHELL.format("traced"))
    site.wait_until(lambda: "/v1/traces" in site.traced, "the collector is sent nothing")


def approval_is_asked_for(site):
    site.wait_until(lambda: site.succeeds("evermill query report-1 status | grep -q '\"/do/2/approve\":\"waiting\"'"), "it does not wait")


def few(workload, many, some):
    """A benchmark that is done with little."""
    return Run(f"evermill bench --workload {workload} ", (f"--instances {many} ", f"--instances {some} "), says=f'"workload":"{workload}"')


JOB = "tests/examples/kill_and_resume.py"
BUILDS = "it installs packages and builds"
IMAGE = "tests/deploy/compose_cluster_test.py"
NO_ENGINE = "it takes a Docker engine, and builds an image"
BUILD = "tests/pipelines/software_build_test.py"

PLANS = {
    "README.md": [
        Run("./run.sh", ("./run.sh", "./run.sh --help")),  # all else installs packages and builds
        Run("./test.sh", ("./test.sh", "./test.sh --help")),
        Beside("./orders run fulfil_order --id o-1 --input"),
        Run("./orders signal o-1 approval", before=order_is_parked),
        Run("./orders run fulfil_order --id o-1", says='"2 boxes, approved by alice"'),
        Run("./orders history o-1", says="WorkflowExecutionCompleted"),
        Elsewhere("./run.sh --json", JOB, BUILDS),
        Elsewhere("wc -l effects.txt", JOB, BUILDS),
        Elsewhere("./run.sh --json", JOB, BUILDS),
        Stay("evermill server --data data"),
        Run("evermill run shell --server", says='"stdout_text":"hi\\n"'),
        Run("curl -s localhost:7467/api/v1/", says='"workflow_type":"shell"'),
        Assign("export EVERMILL_QUEUE="),
        Stay("evermill server --data node-1"),
        Stay("evermill server --data node-2"),
        Stay("evermill worker"),
        Run("evermill cluster", says="node *", before=all_nodes_work),
        Run("evermill run shell --id slow", ("sleep 20", "sleep 1"), says='"stdout_text":"hi\\n"'),
        Run("evermill history slow", says="WorkflowExecutionCompleted"),
        Run("evermill bench", ("--instances 20000", "--instances 20"), says="steps10"),
        Run("evermill run order.yaml", says='{"shipped":true}'),
    ],
    "docs/api.md": [
        Stay("evermill server"),
        Stay("evermill worker"),
        Run("evermill list --server"),
        Assign("export EVERMILL_SERVER="),
        Run("evermill run orders --tls", ("run orders", """run shell --input '{"script":"echo hi"}'"""), says='"stdout_text":"hi\\n"'),
    ],
    "docs/backends.md": [
        Serve("evermill server --secrets /run/secrets", ("/run/secrets", "secrets")),
        Serve("evermill server --secrets secrets.yaml"),
        Serve("evermill worker --secrets env:MYAPP_", ("…", "--queue redis://localhost:6379")),
    ],
    "docs/cli.md": [
        Run("evermill run shell", says='"stdout_text":"hi\\n"'),
        Run("evermill context set prod"),
        Run("evermill context use prod"),
        Run("evermill list"),
        Run("evermill list --context staging"),
        Run("evermill list --status", before=nobody_uses_a_context),
        Run("evermill list --type"),
        Run("evermill count", says='"total":0'),
        Run("evermill verify", says="no problems", before=there_is_a_backup),
        Serve("evermill server --data data --publish file:events.jsonl"),
        Serve("evermill server --queue", ("server --queue", "server --data node-1 --queue")),  # ./evermill-data is no node's
        Run("evermill tasks list --group finance", says="expense-1/", before=expense_waits),
        Run("evermill tasks complete"),
        Run("evermill export"),
        Run("evermill import"),
        Run("evermill replay"),
    ],
    "docs/cluster.md": [
        Stay("evermill server"),
        Stay("evermill worker"),
        Run("evermill cluster", says="worker", before=worker_is_known),
        Run("evermill run shell", says='"stdout_text":"hi\\n"'),
    ],
    "docs/commands.md": [
        Stay("evermill server"),
        Run("echo ", after=hello_is_started),
    ],
    "docs/containers.md": [
        Elsewhere("mkdir -p /sys/fs/cgroup/evermill", "tests/plugins/shell_backend_test.cpp", "root sets up the machine's control groups"),
        Elsewhere("echo +memory", "tests/plugins/shell_backend_test.cpp", "root sets up the machine's control groups"),
        Serve("EVERMILL_CGROUP=", ("/sys/fs/cgroup/evermill", "group"), (" …", "")),
    ],
    "docs/deployment.md": [
        Elsewhere("docker build", IMAGE, NO_ENGINE),
        Run("docker run --rm evermill --help", ("docker run --rm ", ""), says="bench"),  # the image's entry point
        Stay("docker run -d", ("docker run -d --name evermill -v evermill:/data ", "")),
        Run("docker exec", ("docker exec evermill ", ""), says='"stdout_text":"hi\\n"'),
        Elsewhere("docker compose up -d --build", IMAGE, NO_ENGINE),
        Run("docker compose exec node-1 evermill cluster", ("docker compose exec node-1 evermill cluster",
                                                            "evermill cluster --queue kafka://localhost:9092"),
            says="node *", before=compose_has_started),
        Run("evermill cluster --queue", ("kafka://127.0.0.1:9092,127.0.0.1:9093,127.0.0.1:9094", "kafka://localhost:9092"), says="node *"),
        Elsewhere("docker compose build", IMAGE, NO_ENGINE),
        Elsewhere("docker compose up -d --no-deps --scale worker=3 worker", IMAGE, NO_ENGINE),
        Elsewhere("docker compose up -d --no-deps node-1", IMAGE, NO_ENGINE),
        Elsewhere("docker compose up -d --no-deps node-2", IMAGE, NO_ENGINE),
    ],
    "docs/http.md": [
        Serve("evermill server"),
        Serve("evermill server"),
    ],
    "docs/journals.md": [
        Run("./my-program replay"),
    ],
    "docs/metrics.md": [
        Serve("evermill server"),
    ],
    "docs/observability.md": [
        Stay("evermill server", ("--data DIR", "--data DIR --http 127.0.0.1:7467")),
        Run("evermill log-level debug"),
        Run("evermill log-level", says="debug"),
        Run("curl -X PUT"),
        Stay("evermill server", before=all_has_ended, after=traces_are_sent),
    ],
    "docs/performance.md": [
        few("steps10", 20000, 20), few("start", 50000, 50), few("fan100", 1000, 5), few("chain40", 30, 2),
        few("sleepers", 1000000, 500), few("lists", 1000000, 500), few("api-start", 200000, 500), few("api-one", 3000, 10),
        few("server-worker", 10000, 20), few("http-start", 50000, 50), few("http-followers", 10000, 20),
        few("recovery", 100000, 100), few("recovery-asleep", 1000000, 100), few("history", 1000000, 200),
    ],
    "docs/plugins.md": [
        Stay("evermill server --plugin ./libsqlite_queue.so"),
        Run("EVERMILL_PLUGINS=./libsqlite_queue.so evermill list"),
        Serve("EVERMILL_TELEGRAM_TOKEN=", ("TOKEN=…", "TOKEN=token"), ("CHAT=…", "CHAT=chat")),
    ],
    "docs/publishing.md": [
        Stay("evermill server --queue"),
        Run("kcat", ("-C ", "-C -e "), says="ce_type=evermill.WorkflowExecutionCompleted", before=one_is_published),
        Stay("evermill server --data data --publish"),
        Run("redis-cli", says="hce_id", before=published),
    ],
    "docs/reliability.md": [
        Elsewhere("ctest --preset release -R Planted", "tests/planted/CMakeLists.txt", "a test itself"),
        Elsewhere("tests/simulation/run_seeds.sh", "tests/simulation/run_seeds.sh", "a test itself, of hours"),
        Elsewhere("EVERMILL_CHAOS_KILLS=", "tests/processes/CMakeLists.txt", "a test itself, of hours"),
    ],
    "docs/security.md": [
        Run("evermill token create --name ci", says="evm_"),
        Run("evermill token create --name gpu-1", says="evm_"),
        Run("evermill token list", says="gpu-1"),
        Run("evermill token revoke", before=token_is_known),
    ],
    "docs/yaml.md": [
        Run("evermill validate"),
        Run("evermill graph"),
        Run("evermill run order.yaml --input", says='{"shipped":true}'),
        Run("evermill run order.yaml --id order-7", says='{"shipped":true}'),
        Run("evermill run nightly.yaml", says='{"tidy":true}'),
        Run("evermill start order.yaml", says='"phase":'),
        Run("evermill emit payment.received"),
    ],
    "examples/README.md": [
        Elsewhere("./run.sh --json", JOB, BUILDS),
        Elsewhere("wc -l effects.txt", JOB, BUILDS),
        Elsewhere("./run.sh --json", JOB, BUILDS),
        Elsewhere("build/release/examples/log_analysis/log_analysis signal", "tests/examples/log_analysis_test.cpp", BUILDS),
    ],
    "examples/data_pipeline/README.md": [
        Run("mkdir"),
        Answer("examples/data_pipeline/unreliable_server.py", "8123", ("/usr/share/distro-info 8123 &", "tables 8123")),
        Beside("evermill run"),
        Run("evermill query", says='"phase":"waiting"', before=approval_is_asked_for),
        Run("evermill emit"),
    ],
    "examples/fleet_maintenance/README.md": [
        Answer("examples/fleet_maintenance/hosts.py", "8124"),
        Assign("at="),
        Run("evermill run", code=1, says="The fleet was rolled back"),
        Run("evermill start", ("…", """'{"release": "2.1", "report_to": "'$at'/summaries", "hosts": []}'""")),
        Stay("evermill server"),
        Run("evermill cancel fleet"),
    ],
    "examples/software_build/README.md": [
        Elsewhere("scripts/services/docker.sh", BUILD, NO_ENGINE),
        Assign("export DOCKER_HOST="),
        Elsewhere("examples/software_build/make_image.sh", BUILD, NO_ENGINE),
        Elsewhere("config=", BUILD, "the machine's packages have no sources everywhere"),
        Run("mkdir"),
        Run("evermill run", ("evermill run", "evermill start"), says="zlib-1"),  # which does nothing yet
    ],
    "examples/sqlite_queue/README.md": [
        Assign("export EVERMILL_PLUGINS="),
        Stay("evermill server --data node-1"),
        Stay("evermill server --data node-2"),
        Run("evermill run shell", says='"stdout_text":"hi\\n"'),
        Run("evermill cluster", says="node *"),
        Elsewhere("cmake -S examples/sqlite_queue", "tests/install/install_test.cmake", "it takes an installed evermill"),
    ],
}
