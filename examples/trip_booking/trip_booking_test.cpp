// Bookings that fail, and what is left of them, in virtual time.
#include "trip_booking.hpp"

#include <evermill/testing/environment.hpp>
#include <evermill/testing/matchers.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace trip_booking {
namespace {

using namespace evermill::testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

void be_silent(environment& env) {
  env.replace(cancel_booking, [](const std::string&) {});
}

TEST(TripBooking, BooksAllThree) {
  environment env(definitions());
  EXPECT_EQ(env.start(book_trip, {"ann", "Rome"}).result(), "flight to Rome for ann, hotel in Rome for ann, car in Rome for ann");
  EXPECT_THAT(env.inputs(cancel_booking), IsEmpty());
}

TEST(TripBooking, CancelsTheNewestFirstWhereOneIsRefused) {
  environment env(definitions());
  be_silent(env);
  EXPECT_THROW(env.start(book_trip, {"bob", "Venice"}).result(), evermill::workflow_failed);
  EXPECT_EQ(env.attempts(book_car), 1) << "what is refused is not tried again";
  EXPECT_THAT(env.inputs(cancel_booking), ElementsAre("hotel in Venice for bob", "flight to Venice for bob"));
}

TEST(TripBooking, CancelsWhatIsBookedWhenTheTripIsCanceled) {
  environment env(definitions());
  be_silent(env);
  env.hang(book_car);
  auto booking = env.start(book_trip, {"ann", "Oslo"});
  env.settle();
  booking.cancel("she is ill");
  env.settle();
  EXPECT_EQ(booking.status(), evermill::execution_status::canceled);
  EXPECT_THAT(env.inputs(cancel_booking), ElementsAre("hotel in Oslo for ann", "flight to Oslo for ann"));
}

TEST(TripBooking, CancelsAgainUntilItIsDone) {
  environment env(definitions());
  int failures = 0;
  env.replace(cancel_booking, [&failures](const std::string&) {
    if (++failures <= 20) throw evermill::application_error("Down", "nobody answers");
  });
  EXPECT_THROW(env.start(book_trip, {"bob", "Venice"}).result(), evermill::workflow_failed);
  EXPECT_EQ(env.attempts(cancel_booking), 22);
}

TEST(TripBooking, ComesToTheSameEndWhereverItCrashes) {
  const auto test = [](environment& env) {
    be_silent(env);
    auto booking = env.start(book_trip, {"bob", "Venice"}, {.id = "trip-1"});
    EXPECT_THROW(booking.result(), evermill::workflow_failed);
    EXPECT_GE(env.attempts(cancel_booking), 2);
  };
  EXPECT_GT(crash_after_every_commit(definitions(), test), 4);
}

}  // namespace
}  // namespace trip_booking
