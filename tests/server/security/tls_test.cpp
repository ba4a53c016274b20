#include "server/security/tls.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include "server/security/peer_certificate.hpp"
#include "tests/server/security/caught_log.hpp"
#include "tests/server/security/test_certificates.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/temporary_directory.hpp"

using namespace evermill;
using namespace evermill::server::security;
using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

timestamp today() { return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now()); }

struct handshake {
  bool done = false;
  std::string protocol;        ///< by ALPN
  std::string server_subject;  ///< as the client saw it
  std::string client_pem;      ///< as the server saw it
};

/// A client that trusts `trusted`, and has `own`, against the server's context; in memory.
class tls_pair {
 public:
  tls_pair(SSL_CTX* server, const tests::issued& trusted, const tests::issued* own, int max_version = TLS1_3_VERSION)
      : client_context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(client_context_.get()), trusted.certificate.get());
    SSL_CTX_set_verify(client_context_.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_security_level(client_context_.get(), 0);
    SSL_CTX_set_min_proto_version(client_context_.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(client_context_.get(), max_version);
    if (own != nullptr) {
      SSL_CTX_use_certificate(client_context_.get(), own->certificate.get());
      SSL_CTX_use_PrivateKey(client_context_.get(), own->key.get());
    }
    client_.reset(SSL_new(client_context_.get()));
    server_.reset(SSL_new(server));
    static constexpr unsigned char offered[] = "\x02h2\x08http/1.1";
    SSL_set_alpn_protos(client_.get(), offered, sizeof offered - 1);
    BIO *a = nullptr, *b = nullptr;
    BIO_new_bio_pair(&a, 0, &b, 0);
    SSL_set_bio(client_.get(), a, a);
    SSL_set_bio(server_.get(), b, b);
    SSL_set_connect_state(client_.get());
    SSL_set_accept_state(server_.get());
  }

  handshake shake() {
    int client = 0, server = 0;
    char byte = 0;
    for (int i = 0; i < 20 && (client != 1 || server != 1); ++i) {
      client = SSL_do_handshake(client_.get());
      server = SSL_do_handshake(server_.get());
    }
    handshake made;
    if (client != 1 || server != 1) return made;
    SSL_write(server_.get(), "x", 1);
    made.done = SSL_read(client_.get(), &byte, 1) == 1;  // with TLS 1.3 a client learns only then that it was refused
    const unsigned char* protocol = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(client_.get(), &protocol, &size);
    made.protocol.assign(reinterpret_cast<const char*>(protocol), size);
    made.server_subject = fingerprint(SSL_get0_peer_certificate(client_.get()));
    if (X509* const peer = SSL_get0_peer_certificate(server_.get())) made.client_pem = fingerprint(peer);
    return made;
  }
  static std::string fingerprint(X509* of) {
    X509_up_ref(of);
    return tests::issued{std::shared_ptr<X509>(of, X509_free), nullptr}.certificate_pem();
  }

 private:
  struct ssl_deleter {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  std::shared_ptr<SSL_CTX> client_context_;
  std::unique_ptr<SSL, ssl_deleter> client_, server_;
};

class Tls : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& content, mode_t mode = 0600) {
    const auto path = directory_.path() / name;
    const auto written = replace_file(path, content);
    EXPECT_TRUE(written) << written.error();
    ::chmod(path.c_str(), mode);
    return path;
  }
  tls_files files_of(const tests::issued& what) {
    tls_files made;
    made.certificate = write("server.pem", what.certificate_pem(), 0644);
    made.key = write("server.key", what.key_pem());
    return made;
  }
  std::vector<std::string> wrong(const tls_files& files, timestamp at = today()) {
    auto loaded = load_tls(files, at);
    return loaded ? std::vector<std::string>() : loaded.error();
  }

  const tests::issued authority_ = tests::make_authority("authority");
  const tests::issued server_ = tests::make_server_certificate(authority_);
  tests::temporary_directory directory_;
  tests::manual_clock clock_{today()};
  tests::caught_log log_;
};

}  // namespace

TEST_F(Tls, FilesThatFitAreServed) {
  const auto loaded = load_tls(files_of(server_), today());
  ASSERT_TRUE(loaded) << loaded.error().front();
  const handshake made = tls_pair(make_server_context(*loaded).get(), authority_, nullptr).shake();
  EXPECT_TRUE(made.done);
  EXPECT_EQ(made.protocol, "http/1.1");
  EXPECT_EQ(made.server_subject, server_.certificate_pem());
}

TEST_F(Tls, OldProtocolsAreRefused) {
  const auto loaded = load_tls(files_of(server_), today());
  ASSERT_TRUE(loaded);
  const auto context = make_server_context(*loaded);
  EXPECT_TRUE(tls_pair(context.get(), authority_, nullptr, TLS1_2_VERSION).shake().done);
  EXPECT_FALSE(tls_pair(context.get(), authority_, nullptr, TLS1_1_VERSION).shake().done);
}

TEST_F(Tls, EverythingThatIsWrongIsToldAtOnce) {
  tls_files files = files_of(server_);
  EXPECT_THAT(wrong({}), ElementsAre(HasSubstr("needs the server's certificate"), HasSubstr("needs the server's key")));
  ::chmod(files.key.c_str(), 0644);
  files.client_ca = write("ca.pem", "nothing");
  EXPECT_THAT(wrong(files), ElementsAre(HasSubstr("can be read by others"), HasSubstr("ca.pem\" holds no certificate")));
  files.client_ca = directory_.path() / "none.pem";
  EXPECT_THAT(wrong(files), Contains(HasSubstr("No such file")));
}

TEST_F(Tls, AKeyOfAnotherCertificateIsRefused) {
  tls_files files = files_of(server_);
  write("server.key", authority_.key_pem());
  EXPECT_THAT(wrong(files), ElementsAre(HasSubstr("does not belong to the certificate")));
  write("server.key", server_.encrypted_key_pem());
  EXPECT_THAT(wrong(files), ElementsAre(HasSubstr("is encrypted")));
  write("server.key", server_.certificate_pem());
  EXPECT_THAT(wrong(files), ElementsAre(HasSubstr("holds no private key")));
}

TEST_F(Tls, CertificatesOutsideTheirTimeAreRefused) {
  EXPECT_THAT(wrong(files_of(server_), today() + 24h * 366), ElementsAre(HasSubstr("has expired")));
  EXPECT_THAT(wrong(files_of(server_), today() - 24h), ElementsAre(HasSubstr("not valid before")));
}

TEST_F(Tls, RequiredCertificatesNeedAnAuthority) {
  tls_files files = files_of(server_);
  files.require_client_certificate = true;
  EXPECT_THAT(wrong(files), ElementsAre(HasSubstr("no client_ca")));
}

TEST_F(Tls, ClientsAreCheckedAsTheFilesSay) {
  const tests::issued good = tests::issue({.common_name = "ann", .names = ""}, &authority_),
                      stranger = tests::make_authority("stranger");
  tls_files files = files_of(server_);
  files.client_ca = write("ca.pem", authority_.certificate_pem(), 0644);
  const auto optional = load_tls(files, today());
  files.require_client_certificate = true;
  const auto required = load_tls(files, today());
  ASSERT_TRUE(optional && required);
  const auto asks = make_server_context(*optional), demands = make_server_context(*required);
  EXPECT_TRUE(tls_pair(asks.get(), authority_, nullptr).shake().done);
  EXPECT_FALSE(tls_pair(demands.get(), authority_, nullptr).shake().done);
  EXPECT_FALSE(tls_pair(asks.get(), authority_, &stranger).shake().done) << "one that nobody vouches for is worse than none";
  const handshake made = tls_pair(demands.get(), authority_, &good).shake();
  EXPECT_TRUE(made.done);
  EXPECT_EQ(made.client_pem, good.certificate_pem());
}

TEST_F(Tls, NewFilesAreServedWithoutARestart) {
  tls_reloader reloader(files_of(server_), clock_, log_.to());
  const tests::issued next = tests::make_server_certificate(authority_);
  const auto old_context = reloader.context();
  files_of(next);
  EXPECT_EQ(reloader.context(), old_context) << "they are looked at once a second";
  clock_.advance(1s);
  EXPECT_EQ(tls_pair(reloader.context().get(), authority_, nullptr).shake().server_subject, next.certificate_pem());
  EXPECT_EQ(reloader.material()->generation, 2U);
  EXPECT_TRUE(tls_pair(old_context.get(), authority_, nullptr).shake().done) << "what has begun goes on";
}

TEST_F(Tls, FilesThatDoNotFitKeepTheOldOnes) {
  tls_reloader reloader(files_of(server_), clock_, log_.to());
  const tests::issued next = tests::make_server_certificate(authority_);
  write("server.pem", next.certificate_pem());
  clock_.advance(1s);
  EXPECT_EQ(tls_pair(reloader.context().get(), authority_, nullptr).shake().server_subject, server_.certificate_pem());
  EXPECT_THAT(log_.text(), HasSubstr("does not belong"));
  write("server.key", next.key_pem());
  clock_.advance(1s);
  EXPECT_EQ(tls_pair(reloader.context().get(), authority_, nullptr).shake().server_subject, next.certificate_pem());
}

TEST_F(Tls, AnEndThatIsNearIsToldOnceADay) {
  tests::manual_clock clock(today());
  tls_reloader reloader(files_of(server_), clock, log_.to());
  EXPECT_EQ(log_.text(), "");
  clock.advance(24h * 352);
  reloader.context();
  EXPECT_THAT(log_.text(), HasSubstr("expires soon"));
  log_.clear();
  reloader.context();
  EXPECT_EQ(log_.text(), "");
  clock.advance(24h * 20);
  reloader.context();
  EXPECT_THAT(log_.text(), HasSubstr("has expired"));
}

TEST_F(Tls, StartsWithNothingThatIsWrong) {
  tls_files files = files_of(server_);
  ::chmod(files.key.c_str(), 0640);
  if (::geteuid() == 0) ::chmod(files.key.c_str(), 0660);  // root's may be a group's to read
  EXPECT_THROW(tls_reloader(files, clock_, log_.to()), std::runtime_error);
}

TEST(PeerCertificate, NamesAreRead) {
  const auto made =
      tests::issue({.common_name = "ann", .names = "DNS:ann.test,URI:spiffe://test/ann,email:ann@test,IP:10.0.0.1"});
  const auto read = read_certificate(made.certificate_pem());
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->common_name, "ann");
  EXPECT_THAT(read->dns, ElementsAre("ann.test"));
  EXPECT_THAT(read->uris, ElementsAre("spiffe://test/ann"));
  EXPECT_THAT(read->emails, ElementsAre("ann@test"));
  EXPECT_EQ(read->fingerprint.size(), 64U);
  EXPECT_GT(read->expires, today());
  EXPECT_FALSE(read_certificate("nothing"));
  EXPECT_FALSE(read_certificate(made.key_pem()));
}

TEST(PeerCertificate, NamesThatLookLikeOthersAreLeftOut) {
  const auto made = tests::issue({.common_name = std::string("ann\0.evil.test", 14), .names = ""});
  EXPECT_EQ(read_certificate(made.certificate_pem())->common_name, "");
}

TEST(PeerCertificate, TheFirstMappingThatFitsCounts) {
  using field = certificate_mapping::field;
  const auto grants = [](const char* name_space) {
    return std::vector<grant>{grant{scope::read, name_set({name_space}), {}, {}}};
  };
  const std::vector<certificate_mapping> mappings{{field::uri, "spiffe://test/ns/shop/*", "", grants("shop")},
                                                  {field::dns, "Worker.test", "worker", grants("a")},
                                                  {field::common_name, "ann", "", grants("b")},
                                                  {field::email, "bob@test", "", grants("c")}};
  const auto who = [&](peer_certificate of) { return principal_of(of, mappings); };
  EXPECT_EQ(who({.uris = {"spiffe://test/ns/shop/x"}})->name, "spiffe://test/ns/shop/x");
  EXPECT_EQ(who({.uris = {"spiffe://test/ns/shop/x"}})->grants, grants("shop"));
  EXPECT_FALSE(who({.uris = {"spiffe://test/ns/shopping"}}));
  EXPECT_EQ(who({.common_name = "ann", .dns = {"worker.test"}})->name, "worker");
  EXPECT_EQ(who({.common_name = "ann"})->id, "certificate:ann");
  EXPECT_FALSE(who({.common_name = "bob@test"})) << "another field";
  EXPECT_FALSE(who({.common_name = "Ann"}));
  EXPECT_FALSE(who({.dns = {"x.worker.test"}}));
  EXPECT_FALSE(who({}));
}
