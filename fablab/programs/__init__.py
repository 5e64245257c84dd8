"""Machine files: kept once, analysed once, admitted machine by machine."""
