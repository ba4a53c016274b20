#include <evermill/main.hpp>

#include "trip_booking.hpp"

int main(int argc, char** argv) { return evermill::main(argc, argv, trip_booking::definitions()); }
