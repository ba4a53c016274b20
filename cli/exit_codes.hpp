#pragma once

namespace evermill::cli {

enum exit_code : int { completed = 0, failed = 1, bad_usage = 2, canceled = 3, stuck = 4, parked = 5 };

}  // namespace evermill::cli
