// A library that is no plugin.
int evermill_has_nothing_here = 0;
