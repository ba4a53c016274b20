#include "evermill/main.hpp"
#include "log_analysis.hpp"

int main(int argc, char** argv) { return evermill::main(argc, argv, log_analysis::definitions()); }
