#include <evermill/main.hpp>

#include "child_fan_out.hpp"

int main(int argc, char** argv) { return evermill::main(argc, argv, child_fan_out::definitions()); }
