"""Brokers that know their users: a password reaches them and nobody else.

    login_test.py PROGRAM redis|kafka
"""
import os
import sys
import unittest
from urllib.parse import quote

from cluster_case import ClusterCase
from services import Kafka, Missing, Redis

BROKER = sys.argv.pop(1)


class LoginCase(ClusterCase):
    """A password is in a file. Derived classes have address_with(password_file)."""

    def setUp(self):
        super().setUp()
        self.password_file = os.path.join(self.folder.name, "given-password")
        with open(self.password_file, "w", encoding="utf-8") as file:
            file.write(self.broker.password + "\n")
        self.environment["EVERMILL_QUEUE"] = self.address_with(self.password_file)

    def check_a_password_is_never_shown(self, lose_the_broker, said):
        self.start_node("node-1", "--no-activities", "--log-level", "trace")
        self.start("worker", "--log-level", "trace")
        self.wait_until(lambda: self.all_owned_by(1))
        shown = [self.run_shell("true", "--id", "one").stderr, self.run_program("cluster").stdout,
                 self.run_program("cluster", "--json").stdout, self.run_program("history", "one").stdout]
        lose_the_broker()
        self.run_shell("true", "--id", "two")
        with open(os.path.join(self.folder.name, "log"), encoding="utf-8", errors="replace") as file:
            shown.append(file.read())
        self.assertRegex(shown[-1], said, "it has lost its server, and said so")
        for text in shown:
            self.assertNotIn(self.broker.password, text)
        for folder, _, names in os.walk(os.path.join(self.folder.name, "node-1")):
            for name in [each for each in names if not each.endswith(".sock")]:
                with open(os.path.join(folder, name), "rb") as file:
                    self.assertNotIn(self.broker.password.encode(), file.read(), name)

    def refusal(self, address):
        self.environment["EVERMILL_QUEUE"] = address
        return self.run_program("list", code=2).stderr

    def wrong_password_file(self):
        wrong = os.path.join(self.folder.name, "wrong")
        with open(wrong, "w", encoding="utf-8") as file:
            file.write("guessed\n")
        return wrong


@unittest.skipUnless(BROKER == "redis", "of Redis")
class GuardedRedis(LoginCase):
    @staticmethod
    def start_broker(folder):
        return Redis(folder, "evermill", "correct horse battery staple")

    def address_with(self, password_file):
        return f"redis://evermill@127.0.0.1:{self.broker.port}?password-file={password_file}"

    def test_who_does_not_know_the_password_gets_nothing(self):
        self.assertRegex(self.refusal(self.broker.address), "(?i)auth")
        self.assertIn("password-file", self.refusal(f"redis://evermill@127.0.0.1:{self.broker.port}"))
        self.assertRegex(self.refusal(self.address_with(self.wrong_password_file())), "(?i)password|auth")

    def test_a_password_is_never_shown(self):
        def restart():
            self.broker.process.kill()
            self.broker.process.wait()
            self.broker.start()

        self.check_a_password_is_never_shown(restart, "tries to reach it again")

    def test_what_goes_beyond_this_machine_is_encrypted_or_forced(self):
        self.assertIn("insecure=yes", self.refusal(f"redis://evermill@192.0.2.1:6379?password-file={self.password_file}"))


@unittest.skipUnless(BROKER == "kafka", "of Kafka")
class GuardedKafka(LoginCase):
    """TLS, and a login or a certificate."""
    ONE_BROKER = True

    @staticmethod
    def start_broker(folder):
        return Kafka(folder, brokers=1, login=True)

    def address_with(self, password_file, authority="ca.pem"):
        authority = quote(os.path.join(self.broker.folder, authority), safe="")
        return (f"kafka://{self.broker.secured_hosts}?security.protocol=sasl_ssl&sasl.mechanism=PLAIN&sasl.username=evermill"
                f"&ssl.ca.location={authority}&password-file={quote(password_file, safe='')}{self.common()}")

    def common(self):
        return f"&operation-timeout-ms=15000&prefix={self.id().rpartition('.')[2][:40]}"

    def test_who_does_not_know_the_password_gets_nothing(self):
        self.assertRegex(self.refusal(self.address_with(self.wrong_password_file())), "(?i)authentication")

    def test_a_server_that_nobody_vouches_for_is_not_trusted(self):
        self.broker.make_other_authority("other.pem")
        self.assertRegex(self.refusal(self.address_with(self.password_file, "other.pem")), "(?i)certificate")

    def mutual_address(self, **shown):
        files = "".join(f"&ssl.{name}.location={quote(os.path.join(self.broker.folder, file), safe='')}" for name, file in shown.items())
        return f"kafka://{self.broker.mutual_hosts}?security.protocol=ssl{files}{self.common()}"

    def test_nodes_and_workers_show_certificates_where_the_broker_asks_for_them(self):
        self.assertRegex(self.refusal(self.mutual_address(ca="ca.pem")), "(?i)certificate|ssl|tls")
        self.environment["EVERMILL_QUEUE"] = self.mutual_address(ca="ca.pem", certificate="client.crt", key="client.key")
        self.start_node("node-1", "--no-activities")
        self.start("worker")
        self.wait_until(lambda: self.all_owned_by(1))
        self.run_shell("true", "--id", "one")

    def test_what_goes_beyond_this_machine_is_encrypted_or_forced(self):
        self.assertIn("security.protocol=ssl", self.refusal("kafka://192.0.2.1:9092"))

    def test_a_password_is_never_shown(self):
        def restart():
            self.broker.run("kill", self.broker.folder, "1")
            self.broker.run("up", self.broker.folder, "1")

        self.check_a_password_is_never_shown(restart, "(?i)refused|disconnected|transport failure")


if __name__ == "__main__":
    try:
        if BROKER == "kafka":
            Kafka.fetch()
        Redis.look()
    except Missing as why:
        print(f"skipped: {why}")
        sys.exit(77)
    unittest.main()
