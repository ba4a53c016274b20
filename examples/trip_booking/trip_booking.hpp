// A saga: three bookings at three companies. Where one fails, or the trip is canceled meanwhile, those made before are
// canceled, the newest first.
#pragma once

#include <evermill/context.hpp>
#include <evermill/registry.hpp>
#include <evermill/saga.hpp>

#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

namespace trip_booking {

using namespace std::chrono_literals;

struct trip {
  std::string who;
  std::string where;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(trip, who, where)

/// A company may be down for a while, but what it refuses it refuses for good.
inline constexpr evermill::activity_options booking{
    .start_to_close = 30s,
    .retry = {.max_attempts = 5, .initial_interval = 1s, .non_retryable = {"Refused"}}};
inline constexpr evermill::activity<std::string(trip)> book_flight{.name = "book_flight", .options = booking};
inline constexpr evermill::activity<std::string(trip)> book_hotel{.name = "book_hotel", .options = booking};
inline constexpr evermill::activity<std::string(trip)> book_car{.name = "book_car", .options = booking};
/// Tried for as long as it takes: a booking that nobody cancels costs money.
inline constexpr evermill::activity<void(std::string)> cancel_booking{
    .name = "cancel_booking", .options = {.start_to_close = 30s, .retry = {.initial_interval = 1s}}};

inline evermill::task<std::string> book(evermill::context ctx, evermill::saga undo, trip what) {
  const evermill::context whatever_happens = ctx.shielded();  // a cancel request must not stop the cleaning up
  const std::string flight = co_await ctx.call(book_flight, what);
  undo.add(whatever_happens, cancel_booking, flight);
  const std::string hotel = co_await ctx.call(book_hotel, what);
  undo.add(whatever_happens, cancel_booking, hotel);
  const std::string car = co_await ctx.call(book_car, what);
  undo.add(whatever_happens, cancel_booking, car);
  co_return flight + ", " + hotel + ", " + car;
}

inline evermill::task<std::string> book_trip(evermill::context ctx, trip what) {
  std::string bookings = co_await evermill::with_saga(ctx, book, what);
  co_return bookings;
}

inline evermill::registry definitions() {
  evermill::registry registry;
  registry.add("book_trip", book_trip);
  registry.add(book_flight, [](const trip& what) { return "flight to " + what.where + " for " + what.who; });
  registry.add(book_hotel, [](const trip& what) { return "hotel in " + what.where + " for " + what.who; });
  registry.add(book_car, [](const trip& what) -> std::string {
    if (what.where == "Venice") throw evermill::application_error("Refused", "there are no cars in Venice");
    return "car in " + what.where + " for " + what.who;
  });
  registry.add(cancel_booking, [](const std::string& booking) { std::cerr << "canceled: " << booking << '\n'; });
  return registry;
}

}  // namespace trip_booking
