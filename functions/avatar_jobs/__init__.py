"""The package that the four functions share; imports run bootstrap -> routes -> web -> services -> ports -> domain."""
