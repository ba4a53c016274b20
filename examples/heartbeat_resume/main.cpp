#include "evermill/main.hpp"
#include "heartbeat_resume.hpp"

int main(int argc, char** argv) { return evermill::main(argc, argv, heartbeat_resume::definitions()); }
