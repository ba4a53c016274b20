#include <evermill/main.hpp>

#include "versioned_change.hpp"

int main(int argc, char** argv) { return evermill::main(argc, argv, versioned_change::released_now()); }
