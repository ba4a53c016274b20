#include <evermill/main.hpp>

#include "approval.hpp"

int main(int argc, char** argv) { return evermill::main(argc, argv, definitions()); }
