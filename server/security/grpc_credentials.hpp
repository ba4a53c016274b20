// TLS of a gRPC server by tls_reloader: what was checked is used, from the next handshake on.
#pragma once

#include <memory>

#include "server/security/tls.hpp"

namespace grpc {
class ServerCredentials;
}

namespace evermill::server::security {

/// For ServerBuilder::AddListeningPort. (gRPC's FileWatcherCertificateProvider reads files, too, but checks neither that the key
/// belongs to the certificate, nor that it is still valid, nor who else can read it.) Clients that show a certificate are checked
/// where the files name a client_ca; the peer's property "x509_pem_cert" has it then. For listeners, of which a process has few:
/// `from` is kept until the process ends, as gRPC does not say when it is done with it. Its clock outlives the server.
std::shared_ptr<grpc::ServerCredentials> make_grpc_credentials(std::shared_ptr<tls_reloader> from);

}  // namespace evermill::server::security
