// The pilots of documents/pilotage.proto, for a test: prints its port, and ends when its standard input does.
#include <grpcpp/grpcpp.h>

#include <iostream>
#include <limits>
#include <string>

#include "pilotage.grpc.pb.h"

namespace {

class pilotage final : public harbour::Pilotage::Service {
 public:
  grpc::Status Assign(grpc::ServerContext* context, const harbour::Ship* ship, harbour::Pilot* pilot) override {
    if (ship->ship().empty()) return {grpc::StatusCode::INVALID_ARGUMENT, "a ship needs a name"};
    pilot->set_name("Grace");
    *pilot->mutable_for_ship() = *ship;
    const auto& metadata = context->client_metadata();
    if (const auto shown = metadata.find("authorization"); shown != metadata.end()) {
      pilot->set_shown(std::string(shown->second.data(), shown->second.size()));
    }
    return grpc::Status::OK;
  }
  grpc::Status Watch(grpc::ServerContext*, const harbour::Ship* ship, grpc::ServerWriter<harbour::Pilot>* to) override {
    for (const char* name : {"Grace", "Ida"}) {
      harbour::Pilot pilot;
      pilot.set_name(std::string(name) + " of " + ship->ship());
      to->Write(pilot);
    }
    return grpc::Status::OK;
  }
};

}  // namespace

int main() {
  pilotage service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (server == nullptr || port == 0) return 1;
  std::cout << port << std::endl;
  std::cin.ignore(std::numeric_limits<std::streamsize>::max());
  server->Shutdown();
}
